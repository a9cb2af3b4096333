import type { Zone } from '@tollgate/ui';
import { RANGES, type RangeName } from './range';

export type TopBy = 'api' | 'key';
export type OverviewSearch = { range?: RangeName; zone?: Zone; by?: TopBy };

/** The overview's filters as they stand in the address; a default leaves no trace there. */
export function overviewSearch(search: Record<string, unknown>): OverviewSearch {
  return {
    ...(isRange(search.range) && search.range !== '24h' && { range: search.range }),
    ...(search.zone === 'local' && { zone: 'local' }),
    ...(search.by === 'key' && { by: 'key' }),
  };
}

function isRange(value: unknown): value is RangeName {
  return typeof value === 'string' && Object.hasOwn(RANGES, value);
}
