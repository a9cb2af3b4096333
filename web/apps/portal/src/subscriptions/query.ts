import { queryOptions } from '@tanstack/react-query';
import { subscriptions } from '../api';

/** The signed-in developer's subscriptions; asked for again while a key is being made. */
export const subscriptionsQuery = queryOptions({
  queryKey: ['subscriptions'],
  queryFn: ({ signal }) => subscriptions(signal),
  refetchInterval: ({ state }) => (state.data?.some(({ status }) => status === 'pending') ? 1000 : false),
});
