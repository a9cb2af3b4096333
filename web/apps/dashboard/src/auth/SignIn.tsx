import { getRouteApi } from '@tanstack/react-router';
import { signIn } from '@tollgate/client';
import { AuthLayout } from '@tollgate/ui';
import { Credentials, type CredentialValues } from '@tollgate/ui/credentials';
import { TextLink } from '../frame/links';
import { useEnter } from './useEnter';

const route = getRouteApi('/sign-in');

export function SignIn() {
  const { next } = route.useSearch();
  const { enter, sending, problem } = useEnter(
    ({ email, password }: CredentialValues) => signIn(email, password),
    next,
  );
  return (
    <AuthLayout
      title="Sign in"
      lead="Publish, protect and sell your APIs."
      foot={
        <>
          New here?{' '}
          <TextLink to="/sign-up" search={{ next }} inherit underline="always">
            Create an organization
          </TextLink>
        </>
      }
    >
      <Credentials submit="Sign in" sending={sending} problem={problem} onSubmit={enter} />
    </AuthLayout>
  );
}
