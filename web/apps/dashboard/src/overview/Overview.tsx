import { Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, ErrorView, format, IconPlus, PageHeader, Pill, type Zone } from '@tollgate/ui';
import { ButtonLink } from '../frame/links';
import { Filters } from './Filters';
import { FirstCall } from './FirstCall';
import { freshness } from './freshness';
import { Numbers } from './Numbers';
import classes from './Overview.module.css';
import { CallsPlot, LatencyPlot } from './Plots';
import { Top } from './Top';
import { overviewQuery } from './usage';

const route = getRouteApi('/signed-in/');

/** What the gateway does now and did in a range: four numbers, two plots, the busiest APIs or keys. */
export function Overview() {
  const { range = '24h', zone = 'utc', by = 'api' } = route.useSearch();
  const { data, dataUpdatedAt, error, refetch } = useQuery(overviewQuery(range, by));
  const quiet = data?.overview.now.rows.every((row) => row.requests === 0) ?? false;
  const quietBefore = data?.overview.before.rows.every((row) => row.requests === 0) ?? false;

  return (
    <div>
      <PageHeader
        title="Overview"
        below={
          data && (
            <AsOf
              asOf={data.overview.classes.asOf}
              complete={data.overview.classes.complete}
              zone={zone}
              now={new Date(dataUpdatedAt)}
              failed={error !== null}
            />
          )
        }
      >
        <Filters />
        <ButtonLink to="/apis/import" size="sm" leftSection={<IconPlus size={16} aria-hidden />}>
          New API
        </ButtonLink>
      </PageHeader>
      <Stack gap={16}>
        {error && <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />}
        {!data && !error && <Loading />}
        {data && quiet && quietBefore && <FirstCall />}
        {data && !(quiet && quietBefore) && (
          <>
            <Numbers overview={data.overview} />
            <div className={classes.plots}>
              <CallsPlot overview={data.overview} span={data.span} zone={zone} />
              <LatencyPlot overview={data.overview} span={data.span} zone={zone} />
            </div>
            <Top rows={data.overview.top.rows} by={by} />
          </>
        )}
      </Stack>
    </div>
  );
}

type AsOfProps = { asOf: string; complete: boolean; zone: Zone; now: Date; failed: boolean };

/** Up to when everything is counted, and whether that keeps up with the clock. */
function AsOf({ asOf, complete, zone, now, failed }: AsOfProps) {
  const counted = new Date(asOf);
  const state = freshness(counted, now, complete, failed);
  return (
    <p className={classes.asOf}>
      <span className="num">
        as of {format.clock(counted, zone)} {format.zoneName(zone)}
      </span>
      <Pill tone={state.good ? 'good' : 'warn'} live={!failed}>
        {state.text}
      </Pill>
    </p>
  );
}

function Loading() {
  return (
    <div role="status" aria-label="Loading usage">
      <Stack gap={16}>
        <div className={classes.loadingNumbers}>
          {['a', 'b', 'c', 'd'].map((one) => (
            <Skeleton key={one} h={112} radius={12} />
          ))}
        </div>
        <div className={classes.plots}>
          <Card>
            <Skeleton h={320} />
          </Card>
          <Card>
            <Skeleton h={320} />
          </Card>
        </div>
      </Stack>
    </div>
  );
}
