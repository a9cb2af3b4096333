/** Seconds by which counting may lag before it is said. */
const KEEPS_UP = 5;

/**
 * What to say beside "as of". A range that ends in the running step is never complete; what matters then is whether
 * counting keeps up with the clock. Pure.
 */
export function freshness(asOf: Date, now: Date, complete: boolean, failed: boolean): { text: string; good: boolean } {
  if (failed) return { text: 'not updating', good: false };
  if (complete) return { text: 'complete', good: true };
  const lag = Math.round((now.getTime() - asOf.getTime()) / 1000);
  if (lag <= KEEPS_UP) return { text: 'live', good: true };
  return { text: lag < 120 ? `${lag} s behind` : `${Math.round(lag / 60)} min behind`, good: false };
}
