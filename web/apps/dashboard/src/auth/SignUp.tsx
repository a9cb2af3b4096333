import { getRouteApi } from '@tanstack/react-router';
import { signUp } from '@tollgate/client';
import { AuthLayout } from '@tollgate/ui';
import { Credentials, type CredentialValues } from '@tollgate/ui/credentials';
import { TextLink } from '../frame/links';
import { useEnter } from './useEnter';

const route = getRouteApi('/sign-up');

export function SignUp() {
  const { next } = route.useSearch();
  const { enter, sending, problem } = useEnter(
    ({ name, email, password }: CredentialValues) => signUp(name, email, password),
    next,
  );
  return (
    <AuthLayout
      title="Create an organization"
      lead="Your first API is callable a minute from now."
      foot={
        <>
          Already a member?{' '}
          <TextLink to="/sign-in" search={{ next }} inherit underline="always">
            Sign in
          </TextLink>
        </>
      }
    >
      <Credentials
        nameLabel="Organization"
        nameField="organization"
        submit="Create organization"
        sending={sending}
        problem={problem}
        onSubmit={enter}
      />
    </AuthLayout>
  );
}
