import { expect, it } from 'vitest';
import { price, terms } from './terms';

it('writes money of micro-units', () => {
  expect(price({ micros: 0, currency: 'EUR' })).toBe('€0');
  expect(price({ micros: 29_000_000, currency: 'EUR' })).toBe('€29');
  expect(price({ micros: 4_500_000, currency: 'EUR' })).toBe('€4.50');
  expect(price({ micros: 500_000_000, currency: 'JPY' })).toBe('JP¥500');
});

it('names the limits of a plan and their absence', () => {
  expect(terms({ quota: { limit: 10_000, period: 'MONTH' }, throttle: { rateLimit: 5, burstLimit: 10 } })).toEqual([
    '10,000 calls a month',
    '5 a second, bursts of 10',
  ]);
  expect(terms({ quota: null, throttle: null })).toEqual(['Unlimited calls', 'No rate limit']);
});
