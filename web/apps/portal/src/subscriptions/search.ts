/** `made` is the id of a subscription made just now: its key is shown at once. */
export type SubscriptionsSearch = { made?: string };

export function subscriptionsSearch({ made }: Record<string, unknown>): SubscriptionsSearch {
  return typeof made === 'string' && made !== '' ? { made } : {};
}
