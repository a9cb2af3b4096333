import type { TadaDocumentNode } from 'gql.tada';
import { print } from '@0no-co/graphql.web';
import { request } from './json';
import { Problem } from './problem';

type GraphQlError = { message: string; extensions?: { code?: string; request_id?: string; requestId?: string; detail?: string } };
type GraphQlAnswer<T> = { data?: T | null; errors?: GraphQlError[] };

/** Runs one GraphQL operation; the first error of the answer becomes the thrown `Problem`. */
export async function query<Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Data> {
  const answer = await request<GraphQlAnswer<Data>>('POST', '/graphql', { query: print(document), variables }, signal);
  const [error] = answer.errors ?? [];
  if (error) {
    const { code, detail, request_id, requestId } = error.extensions ?? {};
    throw new Problem({ title: error.message, code, detail, request_id: request_id ?? requestId });
  }
  if (!answer.data) throw new Problem({ title: 'The answer carries no data', code: 'no_data' });
  return answer.data;
}
