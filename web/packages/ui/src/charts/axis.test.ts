import { expect, it } from 'vitest';
import { clampIndex, isolated, timeLabels } from './axis';

const at = (iso: string) => Date.parse(iso) / 1000;

it('names the date at the first label of each day', () => {
  const splits = [at('2026-11-21T21:00:00Z'), at('2026-11-22T00:00:00Z'), at('2026-11-22T03:00:00Z')];
  expect(timeLabels(splits, 10_800, 'utc')).toEqual(['21:00\n21 Nov', '00:00\n22 Nov', '03:00']);
});

it('writes dates alone when a step is a day or more', () => {
  expect(timeLabels([at('2026-11-21T00:00:00Z')], 86_400, 'utc')).toEqual(['21 Nov']);
});

it('keeps the cursor inside the plot', () => {
  expect([clampIndex(-1, 3), clampIndex(5, 3), clampIndex(1, 3), clampIndex(0, 0)]).toEqual([0, 2, 1, 0]);
});

it('finds the values that no line would show', () => {
  expect(isolated([1, null, 2, 3, null, 0])).toEqual([0, 5]);
  expect(isolated([null, undefined])).toEqual([]);
  expect(isolated([7])).toEqual([0]);
});
