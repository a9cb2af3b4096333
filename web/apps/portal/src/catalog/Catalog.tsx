import { Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { Card, EmptyState, ErrorView, IconStack, PageHeader } from '@tollgate/ui';
import type { Product } from '../api';
import { Page } from '../frame/Page';
import classes from './Catalog.module.css';
import { PlanCard } from './PlanCard';
import { catalogQuery } from './query';

/** What there is to subscribe to, for everybody. */
export function Catalog() {
  const { data, error, isPending, refetch } = useQuery(catalogQuery);
  return (
    <Page>
      <PageHeader title="Catalogue" below={<p className={classes.lead}>Pick a plan, get a key, call.</p>} />
      {error && <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />}
      {isPending && (
        <div role="status" aria-label="Loading the catalogue">
          <Skeleton h={260} radius={14} />
        </div>
      )}
      {data?.products.length === 0 && (
        <Card>
          <EmptyState icon={<IconStack size={26} />} title="No products yet">
            <p>{data.tenant.name} has not published a product. Come back soon.</p>
          </EmptyState>
        </Card>
      )}
      <Stack gap={40}>
        {data?.products.map((product) => (
          <ProductSection key={product.id} product={product} />
        ))}
      </Stack>
    </Page>
  );
}

function ProductSection({ product }: { product: Product }) {
  return (
    <section aria-labelledby={product.id}>
      <h2 id={product.id} className={classes.product}>
        {product.name}
      </h2>
      {product.description && <p className={classes.description}>{product.description}</p>}
      <ul className={classes.plans}>
        {product.plans.map((plan) => (
          <li key={plan.id}>
            <PlanCard plan={plan} product={product} />
          </li>
        ))}
      </ul>
    </section>
  );
}
