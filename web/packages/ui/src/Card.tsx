import type { ReactNode } from 'react';
import classes from './Card.module.css';

type CardProps = { title?: string; aside?: ReactNode; flush?: boolean; children: ReactNode };

/** A titled panel; `flush` lets a table reach the panel's edges. */
export function Card({ title, aside, flush, children }: CardProps) {
  return (
    <section className={classes.card} aria-label={title}>
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
