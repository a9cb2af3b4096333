import { Button, Skeleton, Stack, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, EmptyState, ErrorView, IconApi, IconPlus, IconSearch, PageHeader } from '@tollgate/ui';
import { ButtonLink } from '../frame/links';
import { ApiTable } from './ApiTable';
import { apisQuery, trafficQuery } from './queries';

const route = getRouteApi('/signed-in/apis');

/** Every API of the organization with its stages and the traffic of the last day. */
export function ApiList() {
  const { q = '' } = route.useSearch();
  const list = useInfiniteQuery(apisQuery(q));
  const { data: traffic } = useQuery(trafficQuery);
  const apis = list.data?.pages.flatMap((page) => page.nodes) ?? [];
  const none = list.data !== undefined && apis.length === 0;

  return (
    <div>
      <PageHeader title="APIs">
        {!(none && q === '') && <Search key="search" value={q} />}
        <ButtonLink to="/apis/import" search={{}} size="sm" leftSection={<IconPlus size={16} aria-hidden />}>
          New API
        </ButtonLink>
      </PageHeader>
      <Stack gap={16}>
        {list.error && <ErrorView failure={asProblem(list.error)} onRetry={() => void list.refetch()} />}
        {list.isPending && <Loading />}
        {none && (
          <Card>
            <Nothing q={q} />
          </Card>
        )}
        {apis.length > 0 && (
          <Card flush>
            <ApiTable apis={apis} traffic={traffic} />
          </Card>
        )}
        {list.hasNextPage && (
          <Button
            variant="default"
            w="fit-content"
            mx="auto"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            Show more
          </Button>
        )}
      </Stack>
    </div>
  );
}

function Search({ value }: { value: string }) {
  const navigate = route.useNavigate();
  const search = useDebouncedCallback((q: string) => void navigate({ search: q ? { q } : {}, replace: true }), 250);
  return (
    <TextInput
      type="search"
      aria-label="Search APIs by name"
      placeholder="Search"
      leftSection={<IconSearch size={16} aria-hidden />}
      defaultValue={value}
      onChange={(event) => search(event.currentTarget.value.trim())}
      flex="1 1 200px"
      maw={260}
    />
  );
}

function Nothing({ q }: { q: string }) {
  if (q) {
    return (
      <EmptyState icon={<IconSearch size={24} />} title="No API matches">
        <p>No name contains “{q}”.</p>
        <ButtonLink to="/apis" search={{}} variant="default">
          Show all APIs
        </ButtonLink>
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={<IconApi size={26} />} title="No API yet">
      <p>
        Bring an OpenAPI document (3.0, 3.1 or Swagger 2.0). It is deployed and callable as soon as the import ends.
      </p>
      <ButtonLink to="/apis/import" search={{}}>
        Import an API
      </ButtonLink>
    </EmptyState>
  );
}

function Loading() {
  return (
    <Card>
      <Stack gap={18} role="status" aria-label="Loading APIs">
        {['a', 'b', 'c', 'd'].map((row) => (
          <Skeleton key={row} h={34} />
        ))}
      </Stack>
    </Card>
  );
}
