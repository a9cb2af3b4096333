import { expect, it } from 'vitest';
import { lastDay, trafficByApi } from './traffic';

const day = lastDay(new Date('2026-11-22T14:03:22Z'));

it('covers the 24 hours that end with the running one', () => {
  expect([day.from, day.to]).toEqual(['2026-11-21T15:00:00Z', '2026-11-22T15:00:00Z']);
});

it('gathers hours and errors by API', () => {
  const hours = [
    { time: '2026-11-21T15:00:00Z', group: { api: 'a' }, requests: 4 },
    { time: '2026-11-22T14:00:00Z', group: { api: 'a' }, requests: 6 },
    { time: '2026-11-23T14:00:00Z', group: { api: 'a' }, requests: 99 },
  ];
  const classes = [
    { group: { api: 'a', statusClass: '2xx' }, requests: 7 },
    { group: { api: 'a', statusClass: '4xx' }, requests: 2 },
    { group: { api: 'a', statusClass: '5xx' }, requests: 1 },
  ];
  const one = trafficByApi(hours, classes, day).get('a');
  expect(one).toMatchObject({ calls: 10, errors: 3 });
  expect([one?.hourly[0], one?.hourly[23], one?.hourly.length]).toEqual([4, 6, 24]);
});
