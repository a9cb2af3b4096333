import { Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import {
  Card,
  CodeLine,
  EmptyState,
  ErrorView,
  IconCheck,
  IconKey,
  masked,
  PageHeader,
  Pill,
  When,
} from '@tollgate/ui';
import { useState } from 'react';
import type { Key, Subscription } from '../api';
import { Page } from '../frame/Page';
import { KeyRow } from './KeyRow';
import { subscriptionsQuery } from './query';
import classes from './Subscriptions.module.css';

const route = getRouteApi('/signed-in/subscriptions');

/** Everything an app developer has subscribed to, with the keys. */
export function Subscriptions() {
  const { made } = route.useSearch();
  const { data, error, isPending, refetch } = useQuery(subscriptionsQuery);
  const madeFirst = data?.toSorted((a, b) => Number(b.id === made) - Number(a.id === made));
  return (
    <Page>
      <PageHeader title="My subscriptions" />
      {error && <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />}
      {isPending && (
        <div role="status" aria-label="Loading subscriptions">
          <Skeleton h={200} radius={12} />
        </div>
      )}
      {data?.length === 0 && (
        <Card>
          <EmptyState icon={<IconKey size={26} />} title="No subscription yet">
            <p>
              Pick a plan in the <Link to="/">catalogue</Link>: its key is here a moment later.
            </p>
          </EmptyState>
        </Card>
      )}
      <Stack gap={16}>
        {madeFirst?.map((subscription) => (
          <SubscriptionCard key={subscription.id} subscription={subscription} made={subscription.id === made} />
        ))}
      </Stack>
    </Page>
  );
}

const STATUS = {
  active: { tone: 'good', text: 'active' },
  pending: { tone: 'warn', text: 'key being made' },
  cancelled: { tone: 'plain', text: 'cancelled' },
} as const;

function SubscriptionCard({ subscription, made }: { subscription: Subscription; made: boolean }) {
  const { app, product, plan, status, keys, curl, createdAt } = subscription;
  const [shown, setShown] = useState(made);
  return (
    <Card
      title={`${product.name}, ${plan.name}`}
      label={`${product.name}, ${plan.name}, app ${app.name}`}
      aside={<Pill tone={STATUS[status].tone}>{STATUS[status].text}</Pill>}
    >
      <p className={classes.facts}>
        App “{app.name}”, subscribed <When at={new Date(createdAt)} />
      </p>
      {status !== 'cancelled' && (
        <Stack gap={14}>
          {made && status === 'active' && (
            <p className={classes.made} role="status">
              <IconCheck size={18} aria-hidden /> You are subscribed. Your key works now: try it with the line below.
            </p>
          )}
          {keys.map((key) => (
            <KeyRow key={key.id} subscriptionId={subscription.id} apiKey={key} shown={shown} onShow={setShown} />
          ))}
          {curl && (
            <div>
              <div className={classes.label}>Try it</div>
              <CodeLine
                label={`a curl command for ${product.name}, app ${app.name}`}
                text={curl}
                shown={shown ? curl : hiding(curl, keys)}
                prompt
              />
            </div>
          )}
        </Stack>
      )}
    </Card>
  );
}

/** A line without the keys in it. */
function hiding(line: string, keys: Key[]): string {
  return keys.reduce((text, { value }) => (value ? text.replaceAll(value, masked(value)) : text), line);
}
