import { Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, EmptyState, ErrorView, format, IconSearch, PageHeader, Segments } from '@tollgate/ui';
import { ButtonLink, SegmentLink, TextLink } from '../frame/links';
import classes from './ApiPage.module.css';
import { Deployments } from './Deployments';
import { apiQuery } from './queries';
import { Resources } from './Resources';
import { Stages } from './Stages';
import { operationCount } from './tree';

const route = getRouteApi('/signed-in/apis/$apiId');

/** One API: where it is called, what it offers, what was deployed when. */
export function ApiPage() {
  const { apiId } = route.useParams();
  const { tab } = route.useSearch();
  const { data: api, error, isPending, refetch } = useQuery(apiQuery(apiId));

  return (
    <div>
      <PageHeader
        title={api?.name ?? 'API'}
        above={
          <TextLink to="/apis" search={{}} size="sm">
            APIs
          </TextLink>
        }
        below={
          api && (
            <p className={classes.facts}>
              <code>{api.id}</code> · {format.plural(operationCount(api.resources), 'operation')}
            </p>
          )
        }
      />
      <Stack gap={16}>
        {error && <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />}
        {isPending && <Loading />}
        {api === null && <Gone id={apiId} />}
        {api && (
          <>
            <Stages api={api} />
            <Segments label="View">
              <SegmentLink to="/apis/$apiId" params={{ apiId }} search={{}} current={tab === undefined} replace>
                Resources
              </SegmentLink>
              <SegmentLink
                to="/apis/$apiId"
                params={{ apiId }}
                search={{ tab: 'deployments' }}
                current={tab === 'deployments'}
                replace
              >
                Deployments
              </SegmentLink>
            </Segments>
            {tab === 'deployments' ? <Deployments api={api} /> : <Resources api={api} />}
          </>
        )}
      </Stack>
    </div>
  );
}

function Gone({ id }: { id: string }) {
  return (
    <Card>
      <EmptyState icon={<IconSearch size={24} />} title="There is no such API">
        <p>
          None has the id <code>{id}</code>. It may have been deleted, or belong to another organization.
        </p>
        <ButtonLink to="/apis" search={{}} variant="default">
          Show all APIs
        </ButtonLink>
      </EmptyState>
    </Card>
  );
}

function Loading() {
  return (
    <Stack gap={16} role="status" aria-label="Loading the API">
      <Skeleton h={150} radius={12} />
      <Skeleton h={320} radius={12} />
    </Stack>
  );
}
