import { expect, it } from 'vitest';
import { price, terms } from './terms';

const free = { price: { micros: 0, currency: 'EUR' }, unitPriceMicros: 0, quotas: [], throttle: null, costs: [] };
const counting = { quota: [{ from: 100, to: 599 }], billable: [{ from: 100, to: 399 }] };

it('writes money of micro-units', () => {
  expect(price({ micros: 0, currency: 'EUR' })).toBe('€0');
  expect(price({ micros: 29_000_000, currency: 'EUR' })).toBe('€29');
  expect(price({ micros: 4_500_000, currency: 'EUR' })).toBe('€4.50');
  expect(price({ micros: 2_500, currency: 'EUR' })).toBe('€0.0025');
  expect(price({ micros: 500_000_000, currency: 'JPY' })).toBe('JP¥500');
});

it('names the limits of a plan and their absence', () => {
  const quotas = [{ limit: 10_000, period: 'MONTH' as const, timeZone: 'UTC' }];
  expect(terms({ ...free, quotas, throttle: { rateLimit: 5, burstLimit: 10 }, counting })).toEqual([
    '10,000 calls a month',
    '5 a second, bursts of 10',
    'Quota: every answer',
  ]);
  expect(terms({ ...free, counting: null })).toEqual(['Unlimited calls', 'No rate limit']);
});

it('shows every quota with where its periods begin', () => {
  const quotas = [
    { limit: 1, period: 'DAY' as const, timeZone: 'America/New_York' },
    { limit: 500, period: 'WEEK' as const, timeZone: null },
  ];
  expect(terms({ ...free, quotas, counting: null }).slice(0, 2)).toEqual([
    '1 call a day (America/New York)',
    '500 calls a week, from your start date',
  ]);
});

it('says what calls cost and which of them count', () => {
  const plan = {
    ...free,
    unitPriceMicros: 2_500,
    quotas: [{ limit: 100, period: 'DAY' as const, timeZone: 'UTC' }],
    costs: [
      { method: '/GET', units: 0, atMost: null },
      { method: '/pets/POST', units: 5, atMost: null },
      { method: '/chat/ANY', units: null, atMost: 4_000 },
    ],
    counting: {
      quota: [
        { from: 200, to: 299 },
        { from: 404, to: 404 },
      ],
      billable: [],
    },
  };
  expect(terms(plan)).toEqual([
    '100 units a day',
    'No rate limit',
    '€0.0025 a unit',
    'GET / is free',
    'POST /pets counts 5 units',
    '/chat counts as its answer says, at most 4,000 units',
    'Quota: answers 200–299 and 404',
    'Billed: no answers',
  ]);
});
