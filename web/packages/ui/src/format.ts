/** How numbers and times are written on screen. Pure; the current time and the zone come in as values. */

export type Zone = 'utc' | 'local';

const LOCALE = 'en-GB';
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 });

/** 174902 -> "174,902". */
export function count(value: number): string {
  return whole.format(value);
}

/** 1 -> "1 fault", 1200 -> "1,200 faults". */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** 174902 -> "174.9k"; for axes and narrow columns. */
export function compact(value: number): string {
  return short.format(value);
}

/** A share between 0 and 1 -> "0.71 %". */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return '0 %';
  if (value < 0.01) return '< 0.01 %';
  return `${value.toFixed(value < 10 ? 2 : 1)} %`;
}

/** Milliseconds -> "64 ms", "1.24 s". */
export function millis(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 10 || Number.isInteger(value)) return `${Math.round(value)} ms`;
  return `${value.toFixed(1)} ms`;
}

/** Bytes -> "1.2 MB" (decimal units). */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(1)} kB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}

export type Change = { text: string; direction: 'up' | 'down' | 'same' };

/** Relative change against an earlier value; none when there is nothing to compare with. */
export function relativeChange(current: number, previous: number): Change | null {
  if (previous === 0) return null;
  return signed(((current - previous) / previous) * 100, '%');
}

/** Change of a share in percentage points. */
export function pointChange(current: number, previous: number): Change {
  return signed((current - previous) * 100, 'pt');
}

/** Change of a duration in milliseconds. */
export function millisChange(current: number, previous: number): Change {
  const delta = Math.round(current - previous);
  if (delta === 0) return { text: '±0 ms', direction: 'same' };
  return { text: `${delta > 0 ? '+' : '−'}${millis(Math.abs(delta))}`, direction: delta > 0 ? 'up' : 'down' };
}

function signed(delta: number, unit: string): Change {
  const rounded = Math.abs(delta) >= 100 ? Math.round(delta) : Math.round(delta * 10) / 10;
  if (rounded === 0) return { text: `±0 ${unit}`, direction: 'same' };
  const text = `${rounded > 0 ? '+' : '−'}${whole1(Math.abs(rounded))} ${unit}`;
  return { text, direction: rounded > 0 ? 'up' : 'down' };
}

function whole1(value: number): string {
  return new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 }).format(value);
}

function timeZone(zone: Zone): string | undefined {
  return zone === 'utc' ? 'UTC' : undefined;
}

/** "14:03:22". */
export function clock(at: Date, zone: Zone): string {
  return at.toLocaleTimeString(LOCALE, { timeZone: timeZone(zone), hour12: false });
}

/** "14:03". */
export function hourMinute(at: Date, zone: Zone): string {
  return at.toLocaleTimeString(LOCALE, { timeZone: timeZone(zone), hour: '2-digit', minute: '2-digit', hour12: false });
}

/** "22 Nov". */
export function day(at: Date, zone: Zone): string {
  return at.toLocaleDateString(LOCALE, { timeZone: timeZone(zone), day: 'numeric', month: 'short' });
}

/** "22 Nov 2026, 14:03". */
export function dateTime(at: Date, zone: Zone): string {
  const date = at.toLocaleDateString(LOCALE, {
    timeZone: timeZone(zone),
    day: 'numeric',
    month: 'short',
    year: 'numeric',
  });
  return `${date}, ${hourMinute(at, zone)}`;
}

/** "UTC" or the name of the reader's own zone. */
export function zoneName(zone: Zone): string {
  if (zone === 'utc') return 'UTC';
  return new Intl.DateTimeFormat(LOCALE).resolvedOptions().timeZone;
}

/** "just now", "4 min ago", "3 h ago", "2 d ago", then the date. */
export function ago(at: Date, now: Date): string {
  const seconds = Math.max(0, Math.round((now.getTime() - at.getTime()) / 1000));
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 30 * 86_400) return `${Math.round(seconds / 86_400)} d ago`;
  return day(at, 'local');
}

/** What a plot's step is called after "per": 60 -> "minute", 3600 -> "hour", 86400 -> "day". */
export function stepName(seconds: number): string {
  return { 60: 'minute', 3600: 'hour', 86_400: 'day' }[seconds] ?? `${seconds} s`;
}
