import { getRouteApi } from '@tanstack/react-router';
import { signIn } from '@tollgate/client';
import { AuthLayout } from '@tollgate/ui';
import { TextLink } from '../frame/links';
import { Credentials } from './Credentials';

const route = getRouteApi('/sign-in');

export function SignIn() {
  const { next } = route.useSearch();
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
      <Credentials submit="Sign in" send={({ email, password }) => signIn(email, password)} next={next} />
    </AuthLayout>
  );
}
