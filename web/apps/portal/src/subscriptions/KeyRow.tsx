import { Button, NativeSelect } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { ErrorView, format, IconRefresh, KeyReveal } from '@tollgate/ui';
import { useState } from 'react';
import { type Key, rotateKey } from '../api';
import { subscriptionsQuery } from './query';
import classes from './Subscriptions.module.css';

const GRACE = [
  { value: '0', label: 'at once' },
  { value: '3600', label: 'after 1 hour' },
  { value: '86400', label: 'after 24 hours' },
  { value: '604800', label: 'after 7 days' },
];

type KeyRowProps = { subscriptionId: string; apiKey: Key; shown: boolean; onShow: (shown: boolean) => void };

/** One key: shown, copied, rotated. Rotating asks when the old one ends. */
export function KeyRow({ subscriptionId, apiKey, shown, onShow }: KeyRowProps) {
  const queryClient = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [grace, setGrace] = useState('86400');
  const rotating = useMutation({
    mutationFn: () => rotateKey(subscriptionId, apiKey.id, Number(grace)),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: subscriptionsQuery.queryKey });
      setAsking(false);
    },
  });
  const { previousUntil } = apiKey;
  return (
    <div>
      <div className={classes.label}>Key</div>
      <div className={classes.key}>
        {apiKey.value ? (
          <KeyReveal value={apiKey.value} shown={shown} onShow={onShow} />
        ) : (
          <code>{apiKey.prefix}…</code>
        )}
        {asking ? (
          <>
            <NativeSelect
              size="xs"
              aria-label="When the old key ends"
              data={GRACE.map(({ value, label }) => ({ value, label: `Old key ends ${label}` }))}
              value={grace}
              onChange={(event) => setGrace(event.currentTarget.value)}
            />
            <Button size="xs" loading={rotating.isPending} onClick={() => rotating.mutate()}>
              Rotate now
            </Button>
            <Button size="xs" variant="default" onClick={() => setAsking(false)}>
              Cancel
            </Button>
          </>
        ) : (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={14} aria-hidden />}
            onClick={() => setAsking(true)}
          >
            Rotate
          </Button>
        )}
      </div>
      <div role="status" className={classes.note}>
        {previousUntil && `The previous key works until ${format.dateTime(new Date(previousUntil), 'local')}.`}
      </div>
      {rotating.error && <ErrorView failure={asProblem(rotating.error)} />}
    </div>
  );
}
