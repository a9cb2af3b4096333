import { IconAlert } from '@tollgate/ui';
import { useEffect, useRef } from 'react';
import classes from './Import.module.css';
import type { Fault } from './importApi';

type FaultsProps = { faults: Fault[]; onLine?: ((line: number) => void) | undefined };

/** Why a document was refused, place by place. Takes the focus, for it appears above what was just pressed. */
export function Faults({ faults, onLine }: FaultsProps) {
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => panel.current?.focus(), []);
  return (
    <div className={classes.panel} data-tone="bad" role="alert" tabIndex={-1} ref={panel}>
      <h2 className={classes.panelTitle}>
        <IconAlert size={18} aria-hidden />
        {faults.length === 1 ? 'Not imported' : `Not imported: ${faults.length} faults`}. Nothing was changed.
      </h2>
      <ul className={classes.list}>
        {faults.map((fault) => (
          <li key={fault.message}>
            {fault.message}{' '}
            {fault.line !== null && onLine && (
              <button type="button" className={classes.jump} onClick={() => onLine(fault.line ?? 1)}>
                Go to line {fault.line}
              </button>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
