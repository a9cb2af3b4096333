import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { asProblem, type Problem, type Session } from '@tollgate/client';
import { ErrorView } from '@tollgate/ui';
import type { FormEvent } from 'react';
import { sessionQuery } from './session';

type Values = { organization: string; email: string; password: string };

type CredentialsProps = {
  withOrganization?: boolean;
  passwordHint?: string;
  submit: string;
  send: (values: Values) => Promise<Session>;
  next: string | undefined;
};

/** The form of sign-in and sign-up: sends, keeps the session, goes on to where the person wanted to be. */
export function Credentials({ withOrganization, passwordHint, submit, send, next }: CredentialsProps) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const sending = useMutation({
    mutationFn: send,
    onSuccess: (session) => {
      queryClient.clear();
      queryClient.setQueryData(sessionQuery.queryKey, session);
      router.history.push(next ?? '/');
    },
  });
  const problem = sending.error ? asProblem(sending.error) : null;

  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? '');
    sending.mutate({
      organization: text('organization').trim(),
      email: text('email').trim(),
      password: text('password'),
    });
  };

  return (
    <form onSubmit={onSubmit}>
      <Stack gap="md">
        {problem && problem.fields.length === 0 && <ErrorView failure={problem} />}
        {withOrganization && (
          <TextInput
            label="Organization"
            name="organization"
            autoComplete="organization"
            required
            maxLength={80}
            error={fieldError(problem, 'organization')}
            withAsterisk={false}
          />
        )}
        <TextInput
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          required
          error={fieldError(problem, 'email')}
          withAsterisk={false}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete={withOrganization ? 'new-password' : 'current-password'}
          required
          minLength={withOrganization ? 10 : undefined}
          description={passwordHint}
          error={fieldError(problem, 'password')}
          withAsterisk={false}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
        />
        <Button type="submit" fullWidth mt={4} loading={sending.isPending}>
          {submit}
        </Button>
      </Stack>
    </form>
  );
}

function fieldError(problem: Problem | null, field: string): string | undefined {
  return problem?.fields.find((error) => error.field === field)?.message;
}
