import { queryOptions } from '@tanstack/react-query';
import { asProblem, request, safeNext } from '@tollgate/client';
import type { Session } from '../api';

/** The signed-in app developer, or null; fetched once, set by sign-in and sign-out. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session | null> => {
    try {
      return await request<Session>('GET', '/api/session');
    } catch (error) {
      if (asProblem(error).status === 401) return null;
      throw error;
    }
  },
  staleTime: Number.POSITIVE_INFINITY,
});

/** The token that a mailed link carries. */
export function tokenSearch({ token }: Record<string, unknown>): { token?: string } {
  return typeof token === 'string' && token !== '' ? { token } : {};
}

export function nextSearch(search: Record<string, unknown>): { next?: string | undefined } {
  const next = safeNext(search.next);
  return next ? { next } : {};
}
