import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { safeNext } from '@tollgate/client';
import { apiSearch, apisSearch, importSearch } from './apis/search';
import { sessionQuery } from './auth/session';
import { NotFound, ScreenError, ScreenLoading } from './frame/States';
import { graphiqlSearch } from './graphiql/search';
import { overviewSearch } from './overview/search';

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NotFound,
});

const next = (search: Record<string, unknown>): { next?: string | undefined } => {
  const path = safeNext(search.next);
  return path ? { next: path } : {};
};

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: next,
  component: lazyRouteComponent(() => import('./auth/SignIn'), 'SignIn'),
});

const signUp = createRoute({
  getParentRoute: () => root,
  path: '/sign-up',
  validateSearch: next,
  component: lazyRouteComponent(() => import('./auth/SignUp'), 'SignUp'),
});

/** Every screen beneath needs a session; without one the sign-in comes first and leads back. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (!session) throw redirect({ to: '/sign-in', search: next({ next: location.href }) });
  },
  component: lazyRouteComponent(() => import('./frame/Frame'), 'Frame'),
  notFoundComponent: NotFound,
});

const overview = createRoute({
  getParentRoute: () => signedIn,
  path: '/',
  validateSearch: overviewSearch,
  component: lazyRouteComponent(() => import('./overview/Overview'), 'Overview'),
});

const apis = createRoute({
  getParentRoute: () => signedIn,
  path: '/apis',
  validateSearch: apisSearch,
  component: lazyRouteComponent(() => import('./apis/ApiList'), 'ApiList'),
});

const apiImport = createRoute({
  getParentRoute: () => signedIn,
  path: '/apis/import',
  validateSearch: importSearch,
  component: lazyRouteComponent(() => import('./apis/Import'), 'Import'),
});

const api = createRoute({
  getParentRoute: () => signedIn,
  path: '/apis/$apiId',
  validateSearch: apiSearch,
  component: lazyRouteComponent(() => import('./apis/ApiPage'), 'ApiPage'),
});

const graphiql = createRoute({
  getParentRoute: () => signedIn,
  path: '/graphiql',
  validateSearch: graphiqlSearch,
  component: lazyRouteComponent(() => import('./graphiql/Graphiql'), 'Graphiql'),
});

const tree = root.addChildren([signIn, signUp, signedIn.addChildren([overview, apis, apiImport, api, graphiql])]);

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queryClient },
    defaultPreload: 'intent',
    defaultErrorComponent: ScreenError,
    defaultPendingComponent: ScreenLoading,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- the router's types are extended by merging
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
