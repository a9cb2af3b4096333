export type ApisSearch = { q?: string };
export type ImportSource = 'file' | 'url' | 'paste';
export type ImportSearch = { from?: ImportSource };
export type ApiTab = 'deployments';
export type ApiSearch = { tab?: ApiTab; q?: string };

export function apisSearch(search: Record<string, unknown>): ApisSearch {
  return text(search.q);
}

export function importSearch(search: Record<string, unknown>): ImportSearch {
  return search.from === 'url' || search.from === 'paste' ? { from: search.from } : {};
}

export function apiSearch(search: Record<string, unknown>): ApiSearch {
  return { ...(search.tab === 'deployments' && { tab: search.tab }), ...text(search.q) };
}

/** The router reads a search of digits as a number. */
function text(q: unknown): { q?: string } {
  const written = typeof q === 'number' ? String(q) : q;
  return typeof written === 'string' && written !== '' ? { q: written } : {};
}
