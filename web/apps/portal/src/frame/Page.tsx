import type { ReactNode } from 'react';
import classes from './Frame.module.css';

/** The part of the window that belongs to a screen. */
export function Page({ narrow, children }: { narrow?: boolean; children: ReactNode }) {
  return (
    <main className={classes.page}>
      <div className={narrow ? classes.narrow : undefined}>{children}</div>
    </main>
  );
}
