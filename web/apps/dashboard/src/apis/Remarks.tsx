import { IconAlert } from '@tollgate/ui';
import { useEffect, useRef } from 'react';
import classes from './Import.module.css';
import { placeOf, type Remark } from './place';

type RemarksProps = {
  tone: 'bad' | 'warn';
  title: string;
  remarks: Remark[];
  /** Takes the focus, because it appears above what was just pressed. */
  focused?: boolean;
  onLine?: ((line: number) => void) | undefined;
};

/** What there is to say about a document, place by place. */
export function Remarks({ tone, title, remarks, focused, onLine }: RemarksProps) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (focused) panel.current?.focus();
  }, [focused]);
  return (
    <section
      className={classes.panel}
      data-tone={tone}
      role={tone === 'bad' ? 'alert' : undefined}
      aria-label={title}
      tabIndex={-1}
      ref={panel}
    >
      <h2 className={classes.panelTitle}>
        <IconAlert size={18} aria-hidden />
        {title}
      </h2>
      <ul className={classes.list}>
        {remarks.map((remark) => (
          <li key={`${remark.pointer} ${remark.line} ${remark.message}`}>
            {remark.pointer && <code className={classes.pointer}>{placeOf(remark.pointer)}</code>}
            {remark.line !== null && remark.pointer && !onLine && (
              <span className={classes.lineNumber}> line {remark.line}</span>
            )}
            {remark.pointer && <br />}
            {remark.message}{' '}
            {remark.line !== null && onLine && (
              <button type="button" className={classes.jump} onClick={() => onLine(remark.line ?? 1)}>
                Go to line {remark.line}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
