import { CopyButton } from './Copy';
import { IconEye, IconEyeOff } from './icons';
import classes from './KeyReveal.module.css';

type KeyRevealProps = { value: string; shown: boolean; onShow: (shown: boolean) => void };

/** An API key: hidden until asked for, copied without showing it. */
export function KeyReveal({ value, shown, onShow }: KeyRevealProps) {
  const Icon = shown ? IconEyeOff : IconEye;
  return (
    <span className={classes.key}>
      <code className={classes.value}>{shown ? value : masked(value)}</code>
      <button
        type="button"
        className={classes.toggle}
        aria-pressed={shown}
        aria-label="Show the key"
        onClick={() => onShow(!shown)}
      >
        <Icon size={16} aria-hidden />
      </button>
      <CopyButton text={value} label="the key" />
    </span>
  );
}

/** A key as it is written while hidden: its first characters tell which one it is. */
export function masked(key: string): string {
  return `${key.slice(0, 4)}${'•'.repeat(16)}`;
}
