import { queryOptions } from '@tanstack/react-query';
import { catalog } from '../api';

/** What the provider offers; public. */
export const catalogQuery = queryOptions({
  queryKey: ['catalog'],
  queryFn: ({ signal }) => catalog(signal),
  staleTime: 60_000,
});
