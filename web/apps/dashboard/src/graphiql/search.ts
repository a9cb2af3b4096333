export type GraphiqlSearch = { query?: string | undefined; variables?: string | undefined; type?: string | undefined };

/** The operation last run and the type being read, as they stand in the address. */
export function graphiqlSearch(search: Record<string, unknown>): GraphiqlSearch {
  const { query, variables, type } = search;
  return {
    ...(typeof query === 'string' && { query }),
    // The router reads what looks like JSON as JSON.
    ...(variables !== undefined && {
      variables: typeof variables === 'string' ? variables : JSON.stringify(variables),
    }),
    ...(typeof type === 'string' && { type }),
  };
}
