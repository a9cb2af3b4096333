import { getRouteApi, Link } from '@tanstack/react-router';
import { AuthLayout } from '@tollgate/ui';
import { Credentials, type CredentialValues } from '@tollgate/ui/credentials';
import { signIn, signUp } from '../api';
import { useEnter } from './useEnter';

const signInRoute = getRouteApi('/sign-in');
const signUpRoute = getRouteApi('/sign-up');

export function SignIn() {
  const { next } = signInRoute.useSearch();
  const enter = useEnter(({ email, password }: CredentialValues) => signIn(email, password), next);
  return (
    <AuthLayout
      embedded
      title="Sign in"
      lead="To your subscriptions and keys."
      foot={
        <>
          New here?{' '}
          <Link to="/sign-up" search={{ next }}>
            Create an account
          </Link>
        </>
      }
    >
      <Credentials submit="Sign in" {...enter} />
    </AuthLayout>
  );
}

export function SignUp() {
  const { next } = signUpRoute.useSearch();
  const enter = useEnter(({ name, email, password }: CredentialValues) => signUp(name, email, password), next);
  return (
    <AuthLayout
      embedded
      title="Create an account"
      lead="Free, no card needed."
      foot={
        <>
          Already here?{' '}
          <Link to="/sign-in" search={{ next }}>
            Sign in
          </Link>
        </>
      }
    >
      <Credentials nameLabel="Your name" submit="Create account" {...enter} />
    </AuthLayout>
  );
}
