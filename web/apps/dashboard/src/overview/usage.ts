import { queryOptions } from '@tanstack/react-query';
import { graphql, query, type ResultOf } from '@tollgate/client/graphql';
import { type RangeName, usageSpan } from './range';
import type { TopBy } from './search';

const OVERVIEW = graphql(`
  query Overview($previous: DateTime!, $previousTo: DateTime!, $from: DateTime!, $to: DateTime!, $step: UsageStep!, $by: [UsageGroup!]) {
    classes: usage(from: $from, to: $to, step: $step, groupBy: [STATUS_CLASS]) {
      asOf
      complete
      rows { time group requests }
    }
    latency: usage(from: $from, to: $to, step: $step) {
      rows { time p50Ms p95Ms p99Ms }
    }
    now: usage(from: $from, to: $to) {
      rows { requests quotaUnits p95Ms }
    }
    before: usage(from: $previous, to: $previousTo) {
      rows { requests quotaUnits p95Ms }
    }
    beforeClasses: usage(from: $previous, to: $previousTo, groupBy: [STATUS_CLASS]) {
      rows { group requests }
    }
    top: usage(from: $from, to: $to, groupBy: $by) {
      rows { group requests quotaUnits p95Ms }
    }
  }
`);

export type Overview = ResultOf<typeof OVERVIEW>;

const GROUP = { api: 'API', key: 'KEY' } as const;

/** The overview of one range, asked anew every two seconds while the page is visible. */
export function overviewQuery(range: RangeName, by: TopBy) {
  return queryOptions({
    queryKey: ['overview', range, by],
    queryFn: async ({ signal }) => {
      const span = usageSpan(range, new Date());
      const { previous, previousTo, from, to, step } = span;
      const overview = await query(OVERVIEW, { previous, previousTo, from, to, step, by: [GROUP[by]] }, signal);
      return { span, overview };
    },
    refetchInterval: 2000,
    placeholderData: (earlier) => earlier,
  });
}
