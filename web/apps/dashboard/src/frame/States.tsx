import { Skeleton, Stack } from '@mantine/core';
import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { EmptyState, ErrorView, IconSearch, PageHeader, PageTitle } from '@tollgate/ui';
import { ButtonLink } from './links';

/** In place of a screen that failed to load. */
export function ScreenError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <main style={{ maxWidth: 640, margin: '48px auto', padding: 16 }}>
      <PageHeader title="This screen did not load" />
      <ErrorView failure={asProblem(error)} onRetry={retry} />
    </main>
  );
}

/** In place of a screen that is on its way. */
export function ScreenLoading() {
  return (
    <Stack gap="md" role="status" aria-label="Loading">
      <Skeleton h={34} w={220} />
      <Skeleton h={96} radius="lg" />
      <Skeleton h={300} radius="lg" />
    </Stack>
  );
}

/** In place of a screen that does not exist. */
export function NotFound() {
  return (
    <main style={{ padding: '10vh 16px' }}>
      <PageTitle title="Not found" />
      <EmptyState icon={<IconSearch size={24} />} title="There is no such page" level={1}>
        <p>The address may be mistyped, or the thing it named has been deleted.</p>
        <ButtonLink to="/" search={{}} variant="default">
          Back to the overview
        </ButtonLink>
      </EmptyState>
    </main>
  );
}
