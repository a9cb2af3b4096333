import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import type { FormEvent } from 'react';
import { ErrorView, type Failure } from './ErrorView';

export type CredentialValues = { name: string; email: string; password: string };

type Refusal = Failure & { status: number; fields: { field: string; message: string }[] };

type CredentialsProps = {
  /** Label of a further field, for signing up; its value is `name`. */
  nameLabel?: string;
  /** The field under which the server speaks of that value. */
  nameField?: string;
  submit: string;
  sending: boolean;
  problem: Refusal | null;
  onSubmit: (values: CredentialValues) => void;
};

/** A wrong password is nobody's fault to look up: without code and request id. */
function plain({ title, detail, status, code, requestId }: Refusal): Failure {
  return status === 401 ? { title } : { title, detail, code, requestId };
}

const SHOW = { 'aria-label': 'Show the password', tabIndex: 0 };

/** A password to be chosen; its value is `password`. The server judges it, and says what is wrong beside the field. */
export function NewPassword({ label, error }: { label: string; error: string | undefined }) {
  return (
    <PasswordInput
      label={label}
      name="password"
      autoComplete="new-password"
      required
      maxLength={200}
      description={error ? undefined : 'At least 10 characters.'}
      error={error}
      withAsterisk={false}
      visibilityToggleButtonProps={SHOW}
    />
  );
}

/** Form of sign-in, and with a name of sign-up. */
export function Credentials({ nameLabel, nameField = 'name', submit, sending, problem, onSubmit }: CredentialsProps) {
  const signUp = nameLabel !== undefined;
  const error = (field: string) => problem?.fields.find((one) => one.field === field)?.message;
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (field: string) => String(form.get(field) ?? '');
    onSubmit({ name: text('name').trim(), email: text('email').trim(), password: text('password') });
  };
  return (
    <form onSubmit={send}>
      <Stack gap="md">
        {problem && problem.fields.length === 0 && <ErrorView failure={plain(problem)} />}
        {signUp && (
          <TextInput
            label={nameLabel}
            name="name"
            required
            maxLength={100}
            error={error(nameField)}
            withAsterisk={false}
          />
        )}
        <TextInput
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          required
          error={error('email')}
          withAsterisk={false}
        />
        {signUp ? (
          <NewPassword label="Password" error={error('password')} />
        ) : (
          <PasswordInput
            label="Password"
            name="password"
            autoComplete="current-password"
            required
            maxLength={200}
            error={error('password')}
            withAsterisk={false}
            visibilityToggleButtonProps={SHOW}
          />
        )}
        <Button type="submit" fullWidth mt={4} loading={sending}>
          {submit}
        </Button>
      </Stack>
    </form>
  );
}
