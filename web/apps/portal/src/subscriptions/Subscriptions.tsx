import { Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, CodeLine, EmptyState, ErrorView, IconKey, PageHeader, Pill, When } from '@tollgate/ui';
import type { Subscription } from '../api';
import { Page } from '../frame/Page';
import { KeyRow } from './KeyRow';
import { subscriptionsQuery } from './query';
import classes from './Subscriptions.module.css';

/** Everything an app developer has subscribed to, with the keys. */
export function Subscriptions() {
  const { data, error, isPending, refetch } = useQuery(subscriptionsQuery);
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
        {data?.map((subscription) => (
          <SubscriptionCard key={subscription.id} subscription={subscription} />
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

function SubscriptionCard({ subscription }: { subscription: Subscription }) {
  const { app, product, plan, status, keys, curl, createdAt } = subscription;
  return (
    <Card title={`${product.name}, ${plan.name}`} aside={<Pill tone={STATUS[status].tone}>{STATUS[status].text}</Pill>}>
      <p className={classes.facts}>
        for {app.name}, since <When at={new Date(createdAt)} />
      </p>
      {status !== 'cancelled' && (
        <Stack gap={14}>
          {keys.map((key) => (
            <KeyRow key={key.id} subscriptionId={subscription.id} apiKey={key} />
          ))}
          {curl && (
            <div>
              <div className={classes.label}>Try it</div>
              <CodeLine label={`a curl command for ${product.name}`} text={curl} prompt />
            </div>
          )}
        </Stack>
      )}
    </Card>
  );
}
