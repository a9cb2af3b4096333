import { format, StatCard, StatRow } from '@tollgate/ui';
import { errorShare } from './figures';
import type { Overview } from './usage';

/** The four numbers of the range, each against the range before. */
export function Numbers({ overview }: { overview: Overview }) {
  const now = overview.now.rows[0];
  const before = overview.before.rows[0];
  const calls = now?.requests ?? 0;
  const units = now?.quotaUnits ?? 0;
  const p95 = now?.p95Ms ?? null;
  const p95Before = before?.p95Ms ?? null;
  const errors = errorShare(overview.classes.rows);
  return (
    <StatRow>
      <StatCard
        testId="calls"
        label="Calls"
        value={format.count(calls)}
        change={format.relativeChange(calls, before?.requests ?? 0)}
      />
      <StatCard
        label="Errors"
        value={format.percent(errors)}
        change={before ? format.pointChange(errors, errorShare(overview.beforeClasses.rows)) : null}
        goodWhen="down"
      />
      <StatCard
        label="p95 latency"
        value={p95 === null ? '–' : format.millis(p95)}
        change={p95 !== null && p95Before !== null ? format.millisChange(p95, p95Before) : null}
        goodWhen="down"
      />
      <StatCard
        label="Quota units"
        value={format.count(units)}
        change={format.relativeChange(units, before?.quotaUnits ?? 0)}
      />
    </StatRow>
  );
}
