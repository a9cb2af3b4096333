import { describe, expect, it } from 'vitest';
import {
  ago,
  bytes,
  clock,
  compact,
  count,
  dateTime,
  millis,
  millisChange,
  percent,
  plural,
  pointChange,
  relativeChange,
  stepName,
} from './format';

describe('numbers', () => {
  it('groups whole counts and shortens large ones', () => {
    expect(count(174902)).toBe('174,902');
    expect(compact(174902)).toBe('174.9k');
    expect([0, 1, 1200].map((value) => plural(value, 'fault'))).toEqual(['0 faults', '1 fault', '1,200 faults']);
  });

  it('never shows a small share as zero', () => {
    expect(percent(0)).toBe('0 %');
    expect(percent(0.00001)).toBe('< 0.01 %');
    expect(percent(0.0071)).toBe('0.71 %');
    expect(percent(0.25)).toBe('25.0 %');
  });

  it('picks the unit of a duration', () => {
    expect(millis(0)).toBe('0 ms');
    expect(millis(0.4)).toBe('0.4 ms');
    expect(millis(64.4)).toBe('64 ms');
    expect(millis(1240)).toBe('1.24 s');
    expect(millis(29_000)).toBe('29.0 s');
  });

  it('writes bytes in decimal units', () => {
    expect(bytes(12)).toBe('12 B');
    expect(bytes(1200)).toBe('1.2 kB');
    expect(bytes(2_450_000)).toBe('2.5 MB');
  });
});

describe('changes', () => {
  it('has no relative change against nothing', () => {
    expect(relativeChange(12, 0)).toBeNull();
  });

  it('signs changes with a true minus', () => {
    expect(relativeChange(108.2, 100)).toEqual({ text: '+8.2 %', direction: 'up' });
    expect(relativeChange(50, 100)).toEqual({ text: '−50 %', direction: 'down' });
    expect(pointChange(0.0071, 0.0081)).toEqual({ text: '−0.1 pt', direction: 'down' });
    expect(millisChange(61, 64)).toEqual({ text: '−3 ms', direction: 'down' });
    expect(relativeChange(100, 100)).toEqual({ text: '±0 %', direction: 'same' });
  });
});

describe('times', () => {
  const at = new Date('2026-11-22T14:03:22Z');

  it('writes the clock in UTC on 24 hours', () => {
    expect(clock(at, 'utc')).toBe('14:03:22');
    expect(clock(new Date('2026-11-22T00:00:05Z'), 'utc')).toBe('00:00:05');
    expect(dateTime(at, 'utc')).toBe('22 Nov 2026, 14:03');
  });

  it('tells how long ago something was', () => {
    expect(ago(at, new Date('2026-11-22T14:03:30Z'))).toBe('just now');
    expect(ago(at, new Date('2026-11-22T14:07:30Z'))).toBe('4 min ago');
    expect(ago(at, new Date('2026-11-22T17:03:30Z'))).toBe('3 h ago');
  });

  it('names a step by its largest whole unit', () => {
    expect([60, 3600, 86_400, 10].map(stepName)).toEqual(['minute', 'hour', 'day', '10 s']);
  });
});
