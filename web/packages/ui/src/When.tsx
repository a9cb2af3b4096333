import { useState } from 'react';
import { ago, dateTime } from './format';

/** How long ago something was, as seen when the page was drawn; the exact time on hover. */
export function When({ at }: { at: Date }) {
  const [now] = useState(() => new Date());
  return (
    <time dateTime={at.toISOString()} title={dateTime(at, 'local')}>
      {ago(at, now)}
    </time>
  );
}
