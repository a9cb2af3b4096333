import { useMutation, useQueryClient, useSuspenseQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useRouter } from '@tanstack/react-router';
import { signOut } from '@tollgate/client';
import { IconApi, IconCode, IconHome, IconSignOut, navLink, Shell } from '@tollgate/ui';
import { sessionQuery } from '../auth/session';
import classes from './Frame.module.css';

const ICON = { size: 18, stroke: 1.8, 'aria-hidden': true } as const;

/** Everything around a signed-in screen. */
export function Frame() {
  const { data: session } = useSuspenseQuery(sessionQuery);
  const { pathname } = useLocation();
  return (
    <Shell
      place={session?.tenant.name ?? ''}
      page={pathname}
      nav={
        <>
          <Link to="/" className={navLink} activeOptions={{ exact: true, includeSearch: false }}>
            <IconHome {...ICON} /> Overview
          </Link>
          <Link to="/apis" className={navLink} activeOptions={{ includeSearch: false }}>
            <IconApi {...ICON} /> APIs
          </Link>
          <Link to="/graphiql" search={{}} className={navLink} activeOptions={{ includeSearch: false }}>
            <IconCode {...ICON} /> GraphiQL
          </Link>
        </>
      }
      account={<Account email={session?.user.email ?? ''} />}
    >
      <Outlet />
    </Shell>
  );
}

function Account({ email }: { email: string }) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const leaving = useMutation({
    mutationFn: signOut,
    onSuccess: async () => {
      queryClient.clear();
      await router.navigate({ to: '/sign-in', search: {} });
    },
  });
  return (
    <div className={classes.account}>
      <span className={classes.email} title={email}>
        {email}
      </span>
      <button type="button" className={classes.signOut} onClick={() => leaving.mutate()} disabled={leaving.isPending}>
        <IconSignOut size={16} aria-hidden /> Sign out
      </button>
    </div>
  );
}
