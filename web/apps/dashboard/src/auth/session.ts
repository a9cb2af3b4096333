import { queryOptions } from '@tanstack/react-query';
import { currentSession } from '@tollgate/client';

/** Who is signed in; fetched once, set by sign-in and sign-out. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: currentSession,
  staleTime: Number.POSITIVE_INFINITY,
});
