import { day, hourMinute, type Zone } from '../format';

/**
 * Labels of a time axis: hours and minutes, with the date where a day begins; dates alone when a step is a day or more.
 * `splits` are unix seconds, `increment` the seconds between two of them.
 */
export function timeLabels(splits: number[], increment: number, zone: Zone): string[] {
  let last = '';
  return splits.map((split) => {
    const at = new Date(split * 1000);
    const date = day(at, zone);
    if (increment >= 86_400) return date;
    const first = date !== last;
    last = date;
    return first ? `${hourMinute(at, zone)}\n${date}` : hourMinute(at, zone);
  });
}

/** Indices of the values with a gap, or the end, to either side. */
export function isolated(values: ArrayLike<number | null | undefined>): number[] {
  const has = (index: number) => values[index] !== null && values[index] !== undefined;
  return Array.from(values, (_, index) => index).filter((index) => has(index) && !has(index - 1) && !has(index + 1));
}

/** Index of the point nearest to a share (0 to 1) of the axis; what arrow keys and pointers share. */
export function clampIndex(index: number, length: number): number {
  return Math.min(Math.max(index, 0), Math.max(0, length - 1));
}
