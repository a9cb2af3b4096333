import { queryOptions } from '@tanstack/react-query';
import { subscriptions } from '../api';

export const subscriptionsQuery = queryOptions({
  queryKey: ['subscriptions'],
  queryFn: ({ signal }) => subscriptions(signal),
});
