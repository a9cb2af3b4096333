import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { graphql, query, type ResultOf } from '@tollgate/client/graphql';
import { type Resource, resourcesOf } from './document';
import { lastDay, trafficByApi } from './traffic';

const APIS = graphql(`
  query Apis($first: Int!, $after: String, $search: String) {
    apis(first: $first, after: $after, search: $search) {
      nodes {
        id
        name
        createdAt
        stages { name invokeUrl updatedAt undeployedChanges }
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
    queryFn: async ({ pageParam, signal }) =>
      (await query(APIS, { first: 25, after: pageParam, search: search || null }, signal)).apis,
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

const KEYS = graphql(`
  query KeyNames {
    apiKeys(first: 100) {
      nodes { id name prefix }
    }
  }
`);

/** Names of the hundred newest keys by id, for tables of usage. */
export const keyNamesQuery = queryOptions({
  queryKey: ['keys', 'names'],
  queryFn: async ({ signal }) => {
    const { apiKeys } = await query(KEYS, {}, signal);
    return new Map(apiKeys.nodes.map((key) => [key.id, key.name || `${key.prefix}…`]));
  },
  staleTime: 60_000,
});

const API = graphql(`
  query Api($id: ID!) {
    api(id: $id) {
      id
      name
      description
      revision
      document
      stages { name invokeUrl deploymentId updatedAt undeployedChanges }
      deployments(first: 25) {
        nodes { id revision description createdAt }
        pageInfo { hasNextPage }
      }
    }
  }
`);

type ApiAnswer = NonNullable<ResultOf<typeof API>['api']>;
export type ApiDetail = Omit<ApiAnswer, 'document'> & { resources: Resource[] };

/** One API with its resources, or null when there is none with this id. */
export function apiQuery(id: string) {
  return queryOptions({
    queryKey: ['api', id],
    queryFn: async ({ signal }): Promise<ApiDetail | null> => {
      const answer = await query(API, { id }, signal).catch(nullWhenGone);
      if (!answer?.api) return null;
      const { document, ...api } = answer.api;
      return { ...api, resources: resourcesOf(document) };
    },
  });
}

function nullWhenGone(error: unknown): null {
  if (asProblem(error).code?.includes('not_found')) return null;
  throw error;
}

/** The newest API with a stage, if there is any. */
export const newestStageQuery = queryOptions({
  queryKey: ['apis', 'newest-stage'],
  queryFn: async ({ signal }) => {
    const { apis } = await query(APIS, { first: 25, after: null, search: null }, signal);
    const api = apis.nodes.find((node) => node.stages.length > 0);
    const [stage] = api?.stages ?? [];
    return api && stage ? { apiId: api.id, apiName: api.name, stage: stage.name, invokeUrl: stage.invokeUrl } : null;
  },
});

const TRAFFIC = graphql(`
  query ApiTraffic($from: DateTime!, $to: DateTime!) {
    hours: usage(from: $from, to: $to, step: HOUR, groupBy: [API]) {
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
