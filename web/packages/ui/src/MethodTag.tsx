import { useComputedColorScheme } from '@mantine/core';
import { methodTag } from './charts/palette';
import classes from './MethodTag.module.css';

/** An HTTP method: spelled, and coloured for the eye that scans a list. */
export function MethodTag({ method }: { method: string }) {
  const scheme = useComputedColorScheme('light');
  const { ink, ground } = methodTag(method, scheme);
  return (
    <span className={classes.tag} style={{ color: ink, background: ground }}>
      {method}
    </span>
  );
}
