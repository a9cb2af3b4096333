import { print } from '@0no-co/graphql.web';
import type { TadaDocumentNode } from 'gql.tada';
import { request } from './json';
import { Problem } from './problem';

type GraphQlError = {
  message: string;
  extensions?: { code?: string; reason?: string; requestId?: string };
};
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
    const { code, reason, requestId } = error.extensions ?? {};
    throw new Problem({
      title: error.message,
      status: code === 'unauthenticated' ? 401 : 200,
      code: reason ?? code,
      request_id: requestId,
    });
  }
  if (!answer.data) throw new Problem({ title: 'The answer carries no data', code: 'no_data' });
  return answer.data;
}
