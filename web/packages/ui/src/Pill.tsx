import type { ReactNode } from 'react';
import classes from './Pill.module.css';

type PillProps = { tone?: 'plain' | 'good' | 'warn' | 'bad' | 'accent'; live?: boolean; children: ReactNode };

/** A short state in words; the colour only repeats what the words say. */
export function Pill({ tone = 'plain', live, children }: PillProps) {
  return (
    <span className={classes.pill} data-tone={tone}>
      {live && <span className={classes.dot} aria-hidden />}
      {children}
    </span>
  );
}
