import type { ReactNode } from 'react';
import classes from './EmptyState.module.css';

type EmptyStateProps = { icon: ReactNode; title: string; children: ReactNode };

/** Nothing here yet: says what comes next and offers it. */
export function EmptyState({ icon, title, children }: EmptyStateProps) {
  return (
    <div className={classes.empty}>
      <div className={classes.icon} aria-hidden>
        {icon}
      </div>
      <h2 className={classes.title}>{title}</h2>
      <div className={classes.body}>{children}</div>
    </div>
  );
}
