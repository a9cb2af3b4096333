import type { Plan, Price, StatusRange } from '../api';

/** What a plan costs, allows and counts, in words. Pure. */

const PERIODS = { DAY: 'day', WEEK: 'week', MONTH: 'month' } as const;
const ALL = { from: 100, to: 599 };
const whole = new Intl.NumberFormat('en-GB');

/** "€0", "€29", "€4.50", "€0.0025"; money comes in millionths of the currency's main unit. */
export function price({ micros, currency }: Price): string {
  const amount = micros / 1_000_000;
  const minimumFractionDigits = Number.isInteger(amount) ? 0 : undefined;
  const maximumFractionDigits = micros % 10_000 === 0 ? undefined : 6;
  return new Intl.NumberFormat('en-GB', {
    style: 'currency',
    currency,
    minimumFractionDigits,
    maximumFractionDigits,
  }).format(amount);
}

type Terms = Pick<Plan, 'quotas' | 'throttle' | 'counting' | 'costs' | 'unitPriceMicros' | 'price'>;

/** One line per limit, the most telling first; then what a call costs and which calls count. */
export function terms(plan: Terms): string[] {
  return [
    ...(plan.quotas.length === 0 ? ['Unlimited calls'] : plan.quotas.map((quota) => quotaLine(quota, unit(plan)))),
    plan.throttle
      ? `${whole.format(plan.throttle.rateLimit)} a second, bursts of ${whole.format(plan.throttle.burstLimit)}`
      : 'No rate limit',
    ...priceLine(plan),
    ...plan.costs.map(costLine),
    ...countingLines(plan),
  ];
}

/** Calls are counted, unless some of them weigh more than others. */
const unit = ({ costs }: Pick<Plan, 'costs'>) => (costs.length === 0 ? 'call' : 'unit');

function quotaLine({ limit, period, timeZone }: Plan['quotas'][number], counted: string): string {
  const amount = `${whole.format(limit)} ${counted}${limit === 1 ? '' : 's'} a ${PERIODS[period]}`;
  if (timeZone === null) return `${amount}, from your start date`;
  return timeZone === 'UTC' ? amount : `${amount} (${timeZone.replaceAll('_', ' ')})`;
}

function priceLine({ unitPriceMicros, price: { currency }, ...plan }: Terms): string[] {
  return unitPriceMicros > 0 ? [`${price({ micros: unitPriceMicros, currency })} a ${unit(plan)}`] : [];
}

function costLine({ method, units, atMost }: Plan['costs'][number]): string {
  const place = method.lastIndexOf('/');
  const verb = method.slice(place + 1);
  const name = `${verb === 'ANY' ? '' : `${verb} `}${method.slice(0, place) || '/'}`;
  if (units === null) return `${name} counts as its answer says, at most ${whole.format(atMost ?? 0)} units`;
  return units === 0 ? `${name} is free` : `${name} counts ${whole.format(units)} ${units === 1 ? 'unit' : 'units'}`;
}

function countingLines({ counting, quotas, unitPriceMicros }: Terms): string[] {
  if (!counting) return [];
  const lines = [];
  if (quotas.length > 0) lines.push(`Quota: ${statuses(counting.quota)}`);
  if (unitPriceMicros > 0) lines.push(`Billed: ${statuses(counting.billable)}`);
  return lines;
}

/** "every answer", "answers 200–299 and 404", "no answers". */
function statuses(ranges: StatusRange[]): string {
  if (ranges.length === 0) return 'no answers';
  if (ranges.some(({ from, to }) => from <= ALL.from && to >= ALL.to)) return 'every answer';
  const names = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`));
  return `answers ${new Intl.ListFormat('en-GB').format(names)}`;
}
