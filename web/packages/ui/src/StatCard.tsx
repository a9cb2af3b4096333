import type { Change } from './format';
import classes from './StatCard.module.css';

type StatCardProps = {
  label: string;
  value: string;
  /** Against the range before; none when there was nothing. */
  change: Change | null;
  /** Which direction is good news; colours the change beside its sign. */
  goodWhen?: 'up' | 'down';
  hint?: string;
  testId?: string;
};

/** One number with its change against the previous range. */
export function StatCard({ label, value, change, goodWhen, hint, testId }: StatCardProps) {
  const tone =
    !change || change.direction === 'same' || !goodWhen ? 'flat' : change.direction === goodWhen ? 'good' : 'bad';
  return (
    <div className={classes.stat}>
      <dt className={classes.label}>{label}</dt>
      <dd className={classes.value} data-testid={testId}>
        {value}
      </dd>
      <dd className={classes.change}>
        {change ? (
          <>
            <span className={classes.delta} data-tone={tone}>
              {change.text}
            </span>{' '}
            vs. previous
          </>
        ) : (
          (hint ?? 'no earlier calls')
        )}
      </dd>
    </div>
  );
}

/** The list around the numbers. */
export function StatRow({ children }: { children: React.ReactNode }) {
  return <dl className={classes.row}>{children}</dl>;
}
