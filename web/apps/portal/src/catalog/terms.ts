import type { Plan, Price } from '../api';

/** What a plan costs and allows, in words. Pure. */

const PERIODS = { DAY: 'day', WEEK: 'week', MONTH: 'month' } as const;
const whole = new Intl.NumberFormat('en-GB');

/** "€0", "€29", "€4.50"; money comes in millionths of the currency's main unit. */
export function price({ micros, currency }: Price): string {
  const amount = micros / 1_000_000;
  const minimumFractionDigits = Number.isInteger(amount) ? 0 : undefined;
  return new Intl.NumberFormat('en-GB', { style: 'currency', currency, minimumFractionDigits }).format(amount);
}

/** One line per limit, the most telling first. */
export function terms({ quota, throttle }: Pick<Plan, 'quota' | 'throttle'>): string[] {
  return [
    quota ? `${whole.format(quota.limit)} calls a ${PERIODS[quota.period]}` : 'Unlimited calls',
    throttle
      ? `${whole.format(throttle.rateLimit)} a second, bursts of ${whole.format(throttle.burstLimit)}`
      : 'No rate limit',
  ];
}
