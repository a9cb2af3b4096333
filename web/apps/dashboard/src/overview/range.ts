/** Time ranges of the overview and the usage queries made from them. Pure: the current time comes in as a value. */

export type RangeName = '1h' | '24h' | '7d' | '30d';

type Step = 'MINUTE' | 'HOUR' | 'DAY';
type Range = { label: string; spanSeconds: number; step: Step };

/** Seconds of each step the server counts by. */
const STEPS: Record<Step, number> = { MINUTE: 60, HOUR: 3600, DAY: 86_400 };

export const RANGES: Record<RangeName, Range> = {
  '1h': { label: '1 h', spanSeconds: 3600, step: 'MINUTE' },
  '24h': { label: '24 h', spanSeconds: 86_400, step: 'HOUR' },
  '7d': { label: '7 d', spanSeconds: 7 * 86_400, step: 'HOUR' },
  '30d': { label: '30 d', spanSeconds: 30 * 86_400, step: 'DAY' },
};

/**
 * Instants of a query as RFC 3339. `to` lies at the end of the running step, so that the newest calls are in;
 * `previousTo` cuts the earlier range where the running one stands now, so that like is compared with like.
 */
export type UsageSpan = {
  previous: string;
  previousTo: string;
  from: string;
  to: string;
  step: Step;
  stepSeconds: number;
  times: number[];
};

/** The range that ends with the running step, the equally long one before it, and the start of each step (unix seconds). */
export function usageSpan(name: RangeName, now: Date): UsageSpan {
  const { spanSeconds, step } = RANGES[name];
  const stepSeconds = STEPS[step];
  const end = (Math.floor(now.getTime() / 1000 / stepSeconds) + 1) * stepSeconds;
  const start = end - spanSeconds;
  return {
    previous: rfc3339(start - spanSeconds),
    previousTo: rfc3339(Math.min(start, Math.floor(now.getTime() / 1000) - spanSeconds)),
    from: rfc3339(start),
    to: rfc3339(end),
    step,
    stepSeconds,
    times: Array.from({ length: spanSeconds / stepSeconds }, (_, index) => start + index * stepSeconds),
  };
}

function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
