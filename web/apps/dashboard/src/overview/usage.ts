import { graphql, query, type ResultOf } from '@tollgate/client/graphql';
import { queryOptions } from '@tanstack/react-query';
import { usageSpan, type RangeName } from './range';
import type { TopBy } from './search';

const OVERVIEW = graphql(`
  query Overview($previous: DateTime!, $from: DateTime!, $to: DateTime!, $step: Int!, $by: [UsageGroup!]) {
    classes: usage(from: $from, to: $to, step: $step, groupBy: [STATUS_CLASS]) {
      asOf
      complete
      rows { time group requests }
    }
    latency: usage(from: $from, to: $to, step: $step) {
      rows { time p50Ms p95Ms p99Ms }
    }
    totals: usage(from: $from, to: $to, groupBy: [STATUS_CLASS]) {
      rows { group requests }
    }
    now: usage(from: $from, to: $to) {
      rows { requests quotaUnits p95Ms }
    }
    before: usage(from: $previous, to: $from) {
      rows { requests quotaUnits p95Ms }
    }
    beforeTotals: usage(from: $previous, to: $from, groupBy: [STATUS_CLASS]) {
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
      const { previous, from, to, stepSeconds } = span;
      const overview = await query(OVERVIEW, { previous, from, to, step: stepSeconds, by: [GROUP[by]] }, signal);
      return { span, overview };
    },
    refetchInterval: 2000,
    placeholderData: (earlier) => earlier,
  });
}
