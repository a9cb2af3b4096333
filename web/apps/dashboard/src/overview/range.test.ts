import { describe, expect, it } from 'vitest';
import { RANGES, type RangeName, usageSpan } from './range';
import { overviewSearch } from './search';

const now = new Date('2026-11-22T14:03:22.345Z');

describe('usageSpan', () => {
  it('ends with the running step, so that a call made now is in', () => {
    expect(usageSpan('1h', now)).toMatchObject({
      previous: '2026-11-22T12:04:00Z',
      from: '2026-11-22T13:04:00Z',
      to: '2026-11-22T14:04:00Z',
    });
  });

  it.each(Object.keys(RANGES) as RangeName[])('%s has a whole number of steps and at most 170 points', (name) => {
    const { times, from, to, stepSeconds } = usageSpan(name, now);
    expect(times[0]).toBe(Date.parse(from) / 1000);
    expect((times.at(-1) ?? 0) + stepSeconds).toBe(Date.parse(to) / 1000);
    expect(times.length).toBeLessThanOrEqual(170);
  });

  it('compares with the range just before, as far as this one has come', () => {
    const { previous, previousTo, from } = usageSpan('7d', now);
    expect([previous, previousTo, from]).toEqual([
      '2026-11-08T15:00:00Z',
      '2026-11-15T14:03:22Z',
      '2026-11-15T15:00:00Z',
    ]);
  });
});

describe('overviewSearch', () => {
  it('keeps known filters and drops defaults and nonsense', () => {
    expect(overviewSearch({ range: '7d', zone: 'local', by: 'key' })).toEqual({
      range: '7d',
      zone: 'local',
      by: 'key',
    });
    expect(overviewSearch({ range: '24h', zone: 'utc', by: 'api' })).toEqual({});
    expect(overviewSearch({ range: 'toString', zone: 'mars' })).toEqual({});
  });
});
