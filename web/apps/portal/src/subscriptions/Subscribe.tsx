import { Button, Skeleton, Stack, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, EmptyState, ErrorView, IconSearch, PageHeader } from '@tollgate/ui';
import { type FormEvent, useState } from 'react';
import { subscribe } from '../api';
import { PlanPrice, PlanTerms } from '../catalog/PlanCard';
import { catalogQuery } from '../catalog/query';
import { Page } from '../frame/Page';
import { subscriptionsQuery } from './query';
import classes from './Subscriptions.module.css';

const route = getRouteApi('/signed-in/subscribe/$planId');

/** The last step before a key: what it costs and allows, and for which app. */
export function Subscribe() {
  const { planId } = route.useParams();
  const { data: catalog, error, isPending, refetch } = useQuery(catalogQuery);
  const [app, setApp] = useState('My app');
  const router = useRouter();
  const queryClient = useQueryClient();
  const subscribing = useMutation({
    mutationFn: () => subscribe(planId, app.trim()),
    onSuccess: async ({ id }) => {
      await queryClient.invalidateQueries({ queryKey: subscriptionsQuery.queryKey });
      await router.navigate({ to: '/subscriptions', search: { made: id } });
    },
  });
  const product = catalog?.products.find((one) => one.plans.some((plan) => plan.id === planId));
  const plan = product?.plans.find((one) => one.id === planId);
  const problem = subscribing.error ? asProblem(subscribing.error) : null;
  const taken = problem?.code === 'subscription_exists';
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    subscribing.mutate();
  };

  return (
    <Page narrow>
      <PageHeader title="Subscribe" />
      {error && <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />}
      {isPending && <Skeleton h={280} radius={12} role="status" aria-label="Loading the plan" />}
      {catalog && !plan && (
        <Card>
          <EmptyState icon={<IconSearch size={24} />} title="This plan is no longer offered">
            <p>The catalogue shows what is.</p>
          </EmptyState>
        </Card>
      )}
      {plan && product && (
        <Card
          title={`${product.name}, ${plan.name}`}
          aside={
            <span>
              <PlanPrice plan={plan} />
            </span>
          }
        >
          <PlanTerms plan={plan} />
          <form onSubmit={onSubmit}>
            <Stack gap="md">
              {problem && !taken && <ErrorView failure={problem} />}
              <TextInput
                label="App"
                description="What will call with the key; any name you like."
                required
                withAsterisk={false}
                maxLength={100}
                value={app}
                error={taken && 'This app has a subscription to this plan already. Name another one.'}
                onChange={(event) => setApp(event.currentTarget.value)}
              />
              <Button type="submit" loading={subscribing.isPending}>
                Subscribe and get a key
              </Button>
              {plan.price.micros > 0 && (
                <p className={classes.note}>Payment is not collected yet: nothing is charged.</p>
              )}
            </Stack>
          </form>
        </Card>
      )}
    </Page>
  );
}
