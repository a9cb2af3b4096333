import { request } from '@tollgate/client';

export type Run = { text: string; milliseconds: number };

/** Sends an operation as typed. Errors of GraphQL are an answer like any other; a broken connection is not. */
export async function run(query: string, variables: string): Promise<Run> {
  const started = performance.now();
  const answer = await request<unknown>('POST', '/graphql', { query, variables: parseVariables(variables) });
  return { text: JSON.stringify(answer, null, 2), milliseconds: performance.now() - started };
}

/** Variables as JSON; nothing is an empty object. */
export function parseVariables(text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error('The variables are not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('The variables must be a JSON object');
  return value as Record<string, unknown>;
}
