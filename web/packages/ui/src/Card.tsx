import type { ReactNode } from 'react';
import classes from './Card.module.css';

type CardProps = {
  title?: string;
  /** Tells the panel from others with its title, to a screen reader. */
  label?: string | undefined;
  aside?: ReactNode;
  flush?: boolean;
  children: ReactNode;
};

/** A titled panel; `flush` lets a table reach the panel's edges. */
export function Card({ title, label = title, aside, flush, children }: CardProps) {
  return (
    <section className={classes.card} aria-label={label}>
      {title !== undefined && (
        <div className={classes.head}>
          <h2 className={classes.title}>{title}</h2>
          {aside}
        </div>
      )}
      <div className={flush ? classes.flush : classes.body}>{children}</div>
    </section>
  );
}
