/** Time ranges of the overview and the usage queries made from them. Pure: the current time comes in as a value. */

export type RangeName = '1h' | '24h' | '7d' | '30d';

type Range = { label: string; spanSeconds: number; stepSeconds: number };

export const RANGES: Record<RangeName, Range> = {
  '1h': { label: '1 h', spanSeconds: 3600, stepSeconds: 60 },
  '24h': { label: '24 h', spanSeconds: 86_400, stepSeconds: 900 },
  '7d': { label: '7 d', spanSeconds: 7 * 86_400, stepSeconds: 3600 },
  '30d': { label: '30 d', spanSeconds: 30 * 86_400, stepSeconds: 86_400 },
};

/** Instants of a query as RFC 3339. `to` lies at the end of the running step, so that the newest calls are in. */
export type UsageSpan = { previous: string; from: string; to: string; stepSeconds: number; times: number[] };

/** The range that ends with the running step, the equally long one before it, and the start of each step (unix seconds). */
export function usageSpan(name: RangeName, now: Date): UsageSpan {
  const { spanSeconds, stepSeconds } = RANGES[name];
  const end = (Math.floor(now.getTime() / 1000 / stepSeconds) + 1) * stepSeconds;
  const start = end - spanSeconds;
  return {
    previous: rfc3339(start - spanSeconds),
    from: rfc3339(start),
    to: rfc3339(end),
    stepSeconds,
    times: Array.from({ length: spanSeconds / stepSeconds }, (_, index) => start + index * stepSeconds),
  };
}

function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
