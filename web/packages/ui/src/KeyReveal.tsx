import { useState } from 'react';
import { CopyButton } from './Copy';
import { IconEye, IconEyeOff } from './icons';
import classes from './KeyReveal.module.css';

/** An API key: hidden until asked for, copied without showing it. */
export function KeyReveal({ value }: { value: string }) {
  const [shown, setShown] = useState(false);
  const Icon = shown ? IconEyeOff : IconEye;
  return (
    <span className={classes.key}>
      <code className={classes.value}>{shown ? value : `${value.slice(0, 4)}${'•'.repeat(16)}`}</code>
      <button
        type="button"
        className={classes.toggle}
        aria-pressed={shown}
        aria-label="Show the key"
        onClick={() => setShown(!shown)}
      >
        <Icon size={16} aria-hidden />
      </button>
      <CopyButton text={value} label="the key" />
    </span>
  );
}
