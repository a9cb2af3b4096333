import type { ReactNode } from 'react';
import classes from './Segments.module.css';

/** A row of choices of which one holds. The children carry the class `segment` and say which one is current. */
export function Segments({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className={classes.segments} role="group" aria-label={label}>
      {children}
    </div>
  );
}

export const segment = classes.segment ?? '';
