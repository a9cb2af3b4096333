import { expect, it } from 'vitest';
import { classSeries, classTotal, errorShare, measured } from './figures';

const times = [0, 60, 120, 180];
const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

it('a step without rows is zero and a step to come is nothing', () => {
  const rows = [
    { time: iso(0), group: { statusClass: '2xx' }, requests: 5 },
    { time: iso(120), group: { statusClass: '5xx' }, requests: 1 },
  ];
  const series = classSeries(rows, times, new Date(130_000));
  expect(series['2xx']).toEqual([5, 0, 0, null]);
  expect(series['5xx']).toEqual([0, 0, 1, null]);
});

it('ignores rows outside of the range', () => {
  expect(
    classSeries([{ time: iso(600), group: { statusClass: '2xx' }, requests: 5 }], times, new Date(600_000))['2xx'],
  ).toEqual([0, 0, 0, 0]);
});

it('leaves a gap where no latency was measured', () => {
  expect(measured([{ time: iso(60), ms: 12 }], times, (row) => row.ms)).toEqual([null, 12, null, null]);
});

it('counts 4xx and 5xx as errors', () => {
  const rows = [
    { group: { statusClass: '2xx' }, requests: 90 },
    { group: { statusClass: '4xx' }, requests: 8 },
    { group: { statusClass: '5xx' }, requests: 2 },
  ];
  expect(classTotal(rows, '4xx')).toBe(8);
  expect(errorShare(rows)).toBeCloseTo(0.1);
  expect(errorShare([])).toBe(0);
});
