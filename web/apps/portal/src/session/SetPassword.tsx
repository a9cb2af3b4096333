import { Button, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { AuthLayout, ErrorView } from '@tollgate/ui';
import { NewPassword } from '@tollgate/ui/credentials';
import type { FormEvent } from 'react';
import { setPassword } from '../api';
import { catalogQuery } from '../catalog/query';
import { useEnter } from './useEnter';

const route = getRouteApi('/set-password');

/** Where the mail of an invitation leads: a password is chosen, and one is signed in. */
export function SetPassword() {
  const { token } = route.useSearch();
  const { data: catalog } = useQuery(catalogQuery);
  const owner = catalog?.tenant.name ?? 'The provider of this portal';
  const { onSubmit, sending, problem } = useEnter((password: string) => setPassword(token ?? '', password), undefined);
  if (!token) return <Dead title="This link is not complete" why="Open it from the mail again, or copy all of it." />;
  if (problem?.code === 'invitation_not_found') {
    return (
      <Dead
        title="This link works no more"
        why={`It works once and for 7 days. Have you chosen a password already? Then sign in with it. Otherwise ask ${owner} for help.`}
      />
    );
  }
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(String(new FormData(event.currentTarget).get('password') ?? ''));
  };
  const weak = problem?.fields.find(({ field }) => field === 'password')?.message;
  return (
    <AuthLayout embedded title="Choose a password" lead={`${owner} has made an account for you.`}>
      <form onSubmit={send}>
        <Stack gap="md">
          {problem && !weak && <ErrorView failure={problem} />}
          <NewPassword label="New password" error={weak} />
          <Button type="submit" fullWidth mt={4} loading={sending}>
            Set the password and sign in
          </Button>
        </Stack>
      </form>
    </AuthLayout>
  );
}

/** A link that leads nowhere: why, and what to do. */
function Dead({ title, why }: { title: string; why: string }) {
  return (
    <AuthLayout embedded title={title} lead={why}>
      <Button fullWidth renderRoot={(props) => <Link to="/sign-in" search={{}} {...props} />}>
        Sign in
      </Button>
    </AuthLayout>
  );
}
