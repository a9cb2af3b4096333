import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useRouter } from '@tanstack/react-router';
import { request } from '@tollgate/client';
import { Logo, SchemeSwitch, SiteName } from '@tollgate/ui';
import { catalogQuery } from '../catalog/query';
import { sessionQuery } from '../session/session';
import classes from './Frame.module.css';

/** Around every screen: whose portal it is, the two places, and the way in or out. */
export function Frame() {
  const { data: catalog } = useQuery(catalogQuery);
  const { data: session } = useQuery(sessionQuery);
  const site = catalog?.tenant.name ?? 'API portal';
  return (
    <SiteName value={site}>
      <a className={classes.skip} href="#main">
        Skip to content
      </a>
      <header className={classes.bar}>
        <div className={classes.inner}>
          <Link to="/" className={classes.brand}>
            <Logo />
            <span>{site}</span>
          </Link>
          <nav aria-label="Main" className={classes.nav}>
            <Link to="/" className={classes.link} activeOptions={{ exact: true }}>
              Catalogue
            </Link>
            <Link to="/subscriptions" className={classes.link}>
              My subscriptions
            </Link>
          </nav>
          <div className={classes.account}>
            {session ? (
              <SignOut email={session.user.email} />
            ) : (
              <Link to="/sign-in" search={{}} className={classes.link}>
                Sign in
              </Link>
            )}
          </div>
        </div>
      </header>
      <div id="main" tabIndex={-1} className={classes.main}>
        <Outlet />
      </div>
      <footer className={classes.foot}>
        <SchemeSwitch />
      </footer>
    </SiteName>
  );
}

function SignOut({ email }: { email: string }) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const leaving = useMutation({
    mutationFn: () => request<void>('DELETE', '/api/session'),
    onSuccess: async () => {
      queryClient.removeQueries({ queryKey: ['subscriptions'] });
      queryClient.setQueryData(sessionQuery.queryKey, null);
      await router.navigate({ to: '/' });
    },
  });
  return (
    <>
      <span className={classes.email} title={email}>
        {email}
      </span>
      <button type="button" className={classes.link} disabled={leaving.isPending} onClick={() => leaving.mutate()}>
        Sign out
      </button>
    </>
  );
}
