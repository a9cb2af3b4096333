import type { ReactNode } from 'react';
import classes from './EmptyState.module.css';

type EmptyStateProps = { icon: ReactNode; title: string; level?: 1 | 2; children: ReactNode };

/** Nothing here yet: says what comes next and offers it. */
export function EmptyState({ icon, title, level = 2, children }: EmptyStateProps) {
  const Heading = level === 1 ? 'h1' : 'h2';
  return (
    <div className={classes.empty}>
      <div className={classes.icon} aria-hidden>
        {icon}
      </div>
      <Heading className={classes.title}>{title}</Heading>
      <div className={classes.body}>{children}</div>
    </div>
  );
}
