import { useEffect, useState } from 'react';
import classes from './Copy.module.css';
import { IconCheck, IconCopy } from './icons';

/** Copies a text and says so, to the eye and to a screen reader. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1800);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <button type="button" className={classes.copy} aria-label={`Copy ${label}`} onClick={() => void copy()}>
      {copied ? <IconCheck size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />}
      <span role="status">{copied ? 'Copied' : ''}</span>
    </button>
  );
}

type CodeLineProps = {
  /** What is copied. */
  text: string;
  /** What is shown, where that differs: a secret in the line may be hidden. */
  shown?: string;
  label: string;
  prompt?: boolean;
};

/** One line of a shell command or an address, scrolled sideways when long, with a copy button. */
export function CodeLine({ text, shown = text, label, prompt }: CodeLineProps) {
  return (
    <div className={classes.line}>
      <pre className={classes.code} tabIndex={0} aria-label={label} role="region">
        {prompt && (
          <span className={classes.prompt} aria-hidden>
            ${' '}
          </span>
        )}
        <code>{shown}</code>
      </pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}
