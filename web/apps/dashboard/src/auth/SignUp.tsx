import { getRouteApi } from '@tanstack/react-router';
import { signUp } from '@tollgate/client';
import { AuthLayout } from '@tollgate/ui';
import { TextLink } from '../frame/links';
import { Credentials } from './Credentials';

const route = getRouteApi('/sign-up');

export function SignUp() {
  const { next } = route.useSearch();
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
        withOrganization
        passwordHint="At least 10 characters."
        submit="Create organization"
        send={({ organization, email, password }) => signUp(organization, email, password)}
        next={next}
      />
    </AuthLayout>
  );
}
