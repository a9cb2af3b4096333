import { expect, it } from 'vitest';
import { freshness } from './freshness';

const now = new Date('2026-11-22T14:00:00Z');
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

it('says when a range is counted to its end', () => {
  expect(freshness(before(900), now, true, false)).toEqual({ text: 'complete', good: true });
});

it('says whether counting keeps up', () => {
  expect(freshness(before(2), now, false, false)).toEqual({ text: 'live', good: true });
  expect(freshness(before(40), now, false, false)).toEqual({ text: '40 s behind', good: false });
  expect(freshness(before(600), now, false, false)).toEqual({ text: '10 min behind', good: false });
});

it('does not call figures live that no longer update', () => {
  expect(freshness(before(1), now, false, true)).toEqual({ text: 'not updating', good: false });
});
