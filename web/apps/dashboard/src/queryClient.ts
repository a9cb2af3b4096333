import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { sessionQuery } from './auth/session';

/** One cache for the app. An answer 401 anywhere means that the session has ended: `onSignedOut` sends to the sign-in. */
export function makeQueryClient(onSignedOut: () => void): QueryClient {
  const ended = (error: unknown) => {
    if (asProblem(error).status !== 401 || !client.getQueryData(sessionQuery.queryKey)) return;
    client.setQueryData(sessionQuery.queryKey, null);
    onSignedOut();
  };
  const client = new QueryClient({
    queryCache: new QueryCache({ onError: ended }),
    mutationCache: new MutationCache({ onError: ended }),
    defaultOptions: {
      queries: {
        staleTime: 5000,
        retry: (failures, error) => failures < 2 && asProblem(error).code === 'unreachable',
      },
    },
  });
  return client;
}
