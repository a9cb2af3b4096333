import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { Catalog } from './catalog/Catalog';
import { Frame } from './frame/Frame';
import { NotFound, ScreenError } from './frame/States';
import { nextSearch, sessionQuery, tokenSearch } from './session/session';
import { subscriptionsSearch } from './subscriptions/search';

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Frame,
  notFoundComponent: NotFound,
});

const catalog = createRoute({ getParentRoute: () => root, path: '/', component: Catalog });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: nextSearch,
  component: lazyRouteComponent(() => import('./session/SignIn'), 'SignIn'),
});

const signUp = createRoute({
  getParentRoute: () => root,
  path: '/sign-up',
  validateSearch: nextSearch,
  component: lazyRouteComponent(() => import('./session/SignIn'), 'SignUp'),
});

const setPassword = createRoute({
  getParentRoute: () => root,
  path: '/set-password',
  validateSearch: tokenSearch,
  component: lazyRouteComponent(() => import('./session/SetPassword'), 'SetPassword'),
});

const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    // Whoever comes to subscribe is most likely new, whoever comes to a subscription is not.
    const to = location.pathname.startsWith('/subscribe/') ? '/sign-up' : '/sign-in';
    if (!session) throw redirect({ to, search: nextSearch({ next: location.href }) });
  },
});

const subscribe = createRoute({
  getParentRoute: () => signedIn,
  path: '/subscribe/$planId',
  component: lazyRouteComponent(() => import('./subscriptions/Subscribe'), 'Subscribe'),
});

const subscriptions = createRoute({
  getParentRoute: () => signedIn,
  path: '/subscriptions',
  validateSearch: subscriptionsSearch,
  component: lazyRouteComponent(() => import('./subscriptions/Subscriptions'), 'Subscriptions'),
});

const tree = root.addChildren([catalog, signIn, signUp, setPassword, signedIn.addChildren([subscribe, subscriptions])]);

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queryClient },
    defaultPreload: 'intent',
    defaultErrorComponent: ScreenError,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- the router's types are extended by merging
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
