import { graphql, query } from '@tollgate/client/graphql';
import { curlLine, sampleCall } from './curl';

const IMPORT = graphql(`
  mutation ImportApi($input: ApiImportInput!) {
    apiImport(input: $input) {
      api {
        id
        name
        resources { path methods { httpMethod apiKeyRequired } }
      }
      invokeUrl
      warnings
      userErrors { field message code }
    }
  }
`);

export type Draft = { name: string; upstreamUrl: string; stage: string; document?: string; documentUrl?: string };
export type Fault = { field: string | null; message: string; line: number | null };
export type ImportedApi = { id: string; name: string; stage: string; operations: number; invokeUrl: string; curl: string };
export type Outcome = { api: ImportedApi | null; warnings: string[]; faults: Fault[] };

/** Imports a document and deploys it. Faults of the document are an outcome, not an error. */
export async function importApi(draft: Draft): Promise<Outcome> {
  const { apiImport } = await query(IMPORT, {
    input: {
      name: draft.name || null,
      upstreamUrl: draft.upstreamUrl || null,
      stage: draft.stage,
      document: draft.document ?? null,
      documentUrl: draft.documentUrl ?? null,
    },
  });
  const { api, invokeUrl, warnings } = apiImport;
  const faults = apiImport.userErrors.map(({ field, message }) => ({ field: field?.at(-1) ?? null, message, line: lineOf(message) }));
  if (!api || !invokeUrl) return { api: null, warnings, faults };
  const operations = api.resources.reduce((sum, resource) => sum + resource.methods.length, 0);
  return {
    api: { id: api.id, name: api.name, stage: draft.stage, operations, invokeUrl, curl: curlLine(invokeUrl, sampleCall(api.resources)) },
    warnings,
    faults,
  };
}

/** The line a message names, so that the editor can go there. */
export function lineOf(message: string): number | null {
  const line = /\bline (\d+)/.exec(message)?.[1];
  return line ? Number(line) : null;
}
