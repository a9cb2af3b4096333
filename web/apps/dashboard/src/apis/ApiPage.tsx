import { asProblem } from '@tollgate/client';
import { Card, CodeLine, EmptyState, ErrorView, format, IconSearch, PageHeader, Pill, segment, Segments, When } from '@tollgate/ui';
import { Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { TextLink } from '../frame/links';
import classes from './ApiPage.module.css';
import { curlLine, sampleCall } from './curl';
import { Deployments } from './Deployments';
import { apiQuery, type ApiDetail } from './queries';
import { Resources } from './Resources';
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
        title={api?.name ?? (isPending ? 'API' : apiId)}
        above={
          <TextLink to="/apis" search={{}} size="sm">
            APIs
          </TextLink>
        }
        below={api && <p className={classes.facts}>{<code>{api.id}</code>} · {format.count(operationCount(api.resources))} operations</p>}
      />
      <Stack gap={16}>
        {error && <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />}
        {isPending && <Loading />}
        {api === null && <Gone />}
        {api && (
          <>
            <Stages api={api} />
            <Segments label="View">
              <Link to="/apis/$apiId" params={{ apiId }} search={{}} className={segment} aria-current={tab === undefined} replace>
                Resources
              </Link>
              <Link to="/apis/$apiId" params={{ apiId }} search={{ tab: 'deployments' }} className={segment} aria-current={tab === 'deployments'} replace>
                Deployments
              </Link>
            </Segments>
            {tab === 'deployments' ? <Deployments api={api} /> : <Resources api={api} />}
          </>
        )}
      </Stack>
    </div>
  );
}

function Stages({ api }: { api: ApiDetail }) {
  const call = sampleCall(api.resources);
  return (
    <div className={classes.stages}>
      {api.stages.map((stage) => (
        <Card key={stage.name}>
          <div className={classes.stageHead}>
            <Pill tone={stage.deployment ? 'accent' : 'plain'}>{stage.name}</Pill>
            <span className={classes.deployed}>{stage.deployment ? <>deployed <When at={new Date(stage.deployment.createdAt)} /></> : 'not deployed'}</span>
          </div>
          <Stack gap={8}>
            <CodeLine label={`the invoke URL of stage ${stage.name}`} text={stage.invokeUrl} />
            {stage.deployment && <CodeLine label={`a curl command for stage ${stage.name}`} text={curlLine(stage.invokeUrl, call)} prompt />}
          </Stack>
        </Card>
      ))}
    </div>
  );
}

function Gone() {
  return (
    <Card>
      <EmptyState icon={<IconSearch size={24} />} title="There is no such API">
        <p>It may have been deleted, or belong to another organization.</p>
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
