import { graphql, query, type ResultOf } from '@tollgate/client/graphql';
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { curlLine, sampleCall } from './curl';
import { lastDay, trafficByApi } from './traffic';

const APIS = graphql(`
  query Apis($first: Int!, $after: String, $search: String) {
    apis(first: $first, after: $after, search: $search) {
      nodes {
        id
        name
        createdAt
        stages { name invokeUrl deployment { id createdAt } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

export type ApiNode = ResultOf<typeof APIS>['apis']['nodes'][number];

/** The list of APIs, page by page. */
export function apisQuery(search: string) {
  return infiniteQueryOptions({
    queryKey: ['apis', search],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) => (await query(APIS, { first: 25, after: pageParam, search: search || null }, signal)).apis,
    getNextPageParam: ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null),
    placeholderData: (earlier) => earlier,
  });
}

/** Names of the first hundred APIs by id, for tables of usage. */
export const apiNamesQuery = queryOptions({
  queryKey: ['apis', 'names'],
  queryFn: async ({ signal }) => {
    const { apis } = await query(APIS, { first: 100, after: null, search: null }, signal);
    return new Map(apis.nodes.map((api) => [api.id, api.name]));
  },
  staleTime: 60_000,
});

const API = graphql(`
  query Api($id: ID!) {
    api(id: $id) {
      id
      name
      description
      createdAt
      stages { name invokeUrl deployment { id createdAt } }
      resources { id path methods { httpMethod operationName apiKeyRequired } }
      deployments { id description createdAt }
    }
  }
`);

export type ApiDetail = NonNullable<ResultOf<typeof API>['api']>;

export function apiQuery(id: string) {
  return queryOptions({
    queryKey: ['api', id],
    queryFn: async ({ signal }) => (await query(API, { id }, signal)).api,
  });
}

/** A deployed stage with a call that fits it, if there is any API yet. */
export const firstStageQuery = queryOptions({
  queryKey: ['apis', 'first-stage'],
  queryFn: async ({ signal }) => {
    const { apis } = await query(APIS, { first: 25, after: null, search: null }, signal);
    const api = apis.nodes.find((node) => node.stages.some((stage) => stage.deployment));
    const stage = api?.stages.find((candidate) => candidate.deployment);
    if (!api || !stage) return null;
    const detail = (await query(API, { id: api.id }, signal)).api;
    return { api: api.name, name: stage.name, curl: curlLine(stage.invokeUrl, sampleCall(detail?.resources ?? [])) };
  },
});

const TRAFFIC = graphql(`
  query ApiTraffic($from: DateTime!, $to: DateTime!) {
    hours: usage(from: $from, to: $to, step: 3600, groupBy: [API]) {
      rows { time group requests }
    }
    classes: usage(from: $from, to: $to, groupBy: [API, STATUS_CLASS]) {
      rows { group requests }
    }
  }
`);

/** Calls of the last 24 hours by API: hour by hour, and the share of errors. */
export const trafficQuery = queryOptions({
  queryKey: ['apis', 'traffic'],
  queryFn: async ({ signal }) => {
    const day = lastDay(new Date());
    const { hours, classes } = await query(TRAFFIC, { from: day.from, to: day.to }, signal);
    return trafficByApi(hours.rows, classes.rows, day);
  },
  refetchInterval: 10_000,
});
