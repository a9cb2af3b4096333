import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useRouter } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { AuthLayout } from '@tollgate/ui';
import { Credentials } from '@tollgate/ui/credentials';
import { type Session, signIn, signUp } from '../api';
import { sessionQuery } from './session';

const signInRoute = getRouteApi('/sign-in');
const signUpRoute = getRouteApi('/sign-up');

export function SignIn() {
  const { next } = signInRoute.useSearch();
  const enter = useEnter(({ email, password }) => signIn(email, password), next);
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
  const enter = useEnter(({ name, email, password }) => signUp(name, email, password), next);
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

type Values = { name: string; email: string; password: string };

function useEnter(send: (values: Values) => Promise<Session>, next: string | undefined) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const entering = useMutation({
    mutationFn: send,
    onSuccess: (session) => {
      queryClient.removeQueries({ queryKey: ['subscriptions'] });
      queryClient.setQueryData(sessionQuery.queryKey, session);
      router.history.push(next ?? '/subscriptions');
    },
  });
  return {
    onSubmit: entering.mutate,
    sending: entering.isPending,
    problem: entering.error ? asProblem(entering.error) : null,
  };
}
