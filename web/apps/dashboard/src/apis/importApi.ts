import { graphql, query } from '@tollgate/client/graphql';
import { type Fault, type Remark, refusedAt } from './place';

const IMPORT = graphql(`
  mutation ImportApi($input: ApiImportInput!) {
    apiImport(input: $input) {
      api { id name }
      invokeUrl
      status
      warningDetails { pointer line message }
      errors { field message }
    }
  }
`);

/** A header that the gateway adds towards the backend. */
export type SecretHeader = { name: string; value: string };

export type Draft = {
  name: string;
  upstreamUrl: string;
  stage: string;
  requireApiKey: boolean;
  secretHeaders: SecretHeader[];
  document?: string;
  documentUrl?: string;
};

export type ImportedApi = { id: string; name: string; stage: string; invokeUrl: string; pending: boolean };
export type Outcome = { api: ImportedApi | null; warnings: Remark[]; faults: Fault[] };

/** Imports a document and deploys it. Faults of the document are an outcome, not an error. */
export async function importApi(draft: Draft): Promise<Outcome> {
  const { apiImport } = await query(IMPORT, {
    input: {
      name: draft.name || null,
      upstreamUrl: draft.upstreamUrl || null,
      stage: draft.stage,
      requireApiKey: draft.requireApiKey,
      secretHeaders: draft.secretHeaders,
      document: draft.document ?? null,
      documentUrl: draft.documentUrl ?? null,
    },
  });
  const { api, invokeUrl, status, warningDetails: warnings } = apiImport;
  const faults = apiImport.errors.map(({ field, message }) => refusedAt(field, message));
  if (!api || !invokeUrl) return { api: null, warnings, faults };
  return {
    api: { id: api.id, name: api.name, stage: draft.stage, invokeUrl, pending: status === 'PENDING' },
    warnings,
    faults,
  };
}
