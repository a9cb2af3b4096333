/** Turns rows of usage into what the overview draws. Pure. */

import { groupValue } from '../usageGroup';

/** `group` is an object of dimension and value, as the schema's JSON scalar carries it. */
type ClassRow = { group: unknown; requests: number };
type TimedClassRow = ClassRow & { time: string };

export const CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const;
export type StatusClass = (typeof CLASSES)[number];

/** Requests of each class per step: a step without rows had no request, steps still to come have no value. */
export function classSeries(
  rows: TimedClassRow[],
  times: number[],
  asOf: Date,
): Record<StatusClass, (number | null)[]> {
  const place = new Map(times.map((time, index) => [time, index]));
  const empty = () => times.map((time) => (time * 1000 <= asOf.getTime() ? 0 : null));
  const series: Record<StatusClass, (number | null)[]> = {
    '2xx': empty(),
    '3xx': empty(),
    '4xx': empty(),
    '5xx': empty(),
  };
  for (const row of rows) {
    const index = place.get(Date.parse(row.time) / 1000);
    const name = statusClass(row.group);
    if (index === undefined || !name) continue;
    series[name][index] = (series[name][index] ?? 0) + row.requests;
  }
  return series;
}

/** One value per step; none where nothing was measured. */
export function measured<Row extends { time: string }>(
  rows: Row[],
  times: number[],
  read: (row: Row) => number | null,
): (number | null)[] {
  const values = new Map(rows.map((row) => [Date.parse(row.time) / 1000, read(row)]));
  return times.map((time) => values.get(time) ?? null);
}

/** Requests of one class in the whole range. */
export function classTotal(rows: ClassRow[], name: StatusClass): number {
  return rows.filter((row) => statusClass(row.group) === name).reduce((sum, row) => sum + row.requests, 0);
}

/** Share of answers 4xx and 5xx, 0 to 1. */
export function errorShare(rows: ClassRow[]): number {
  const all = rows.reduce((sum, row) => sum + row.requests, 0);
  return all === 0 ? 0 : (classTotal(rows, '4xx') + classTotal(rows, '5xx')) / all;
}

function statusClass(group: unknown): StatusClass | undefined {
  const value = groupValue(group, 'statusClass');
  return CLASSES.find((name) => name === value);
}
