import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { EmptyState, ErrorView, IconSearch, PageHeader, PageTitle } from '@tollgate/ui';
import { Page } from './Page';

/** In place of a screen that failed to load. */
export function ScreenError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <Page>
      <PageHeader title="This screen did not load" />
      <ErrorView failure={asProblem(error)} onRetry={retry} />
    </Page>
  );
}

/** In place of a screen that does not exist. */
export function NotFound() {
  return (
    <Page>
      <PageTitle title="Not found" />
      <EmptyState icon={<IconSearch size={24} />} title="There is no such page" level={1}>
        <p>
          The address may be mistyped. <Link to="/">Back to the catalogue</Link>
        </p>
      </EmptyState>
    </Page>
  );
}
