/** Reads the parts of an API's document that the dashboard shows. Pure; a document of unexpected shape has no resources. */

export type Method = { httpMethod: string; operationName: string | null; apiKeyRequired: boolean };
export type Resource = { path: string; methods: Method[] };

export function resourcesOf(document: unknown): Resource[] {
  return Object.entries(object(object(document).resources)).map(([path, resource]) => ({
    path,
    methods: Object.entries(object(object(resource).resourceMethods)).map(([httpMethod, method]) => {
      const { operationName, summary, apiKeyRequired } = object(method);
      return {
        httpMethod,
        operationName: text(operationName) ?? text(summary),
        apiKeyRequired: apiKeyRequired === true,
      };
    }),
  }));
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
