/** Usage rows of the last day, gathered by API. Pure: the current time comes in as a value. */

import { groupValue } from '../usageGroup';

const HOUR = 3600;
const HOURS = 24;

export type Day = { startSeconds: number; from: string; to: string };
export type Traffic = { hourly: number[]; errors: number; calls: number };

type ClassRow = { group: unknown; requests: number };
type HourRow = ClassRow & { time: string };

/** The 24 hours that end with the running one. */
export function lastDay(now: Date): Day {
  const end = (Math.floor(now.getTime() / 1000 / HOUR) + 1) * HOUR;
  const startSeconds = end - HOURS * HOUR;
  return { startSeconds, from: rfc3339(startSeconds), to: rfc3339(end) };
}

/** Calls by hour from rows grouped by API, calls and errors from rows grouped by API and status class. */
export function trafficByApi(hours: HourRow[], classes: ClassRow[], day: Day): Map<string, Traffic> {
  const traffic = new Map<string, Traffic>();
  const of = (api: string) => {
    const one = traffic.get(api) ?? { hourly: Array.from({ length: HOURS }, () => 0), errors: 0, calls: 0 };
    traffic.set(api, one);
    return one;
  };
  for (const { time, group, requests } of hours) {
    const hour = Math.floor((Date.parse(time) / 1000 - day.startSeconds) / HOUR);
    const { hourly } = of(groupValue(group, 'api'));
    if (hourly[hour] !== undefined) hourly[hour] += requests;
  }
  for (const { group, requests } of classes) {
    const one = of(groupValue(group, 'api'));
    one.calls += requests;
    if (/^[45]/.test(groupValue(group, 'statusClass'))) one.errors += requests;
  }
  return traffic;
}

function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
