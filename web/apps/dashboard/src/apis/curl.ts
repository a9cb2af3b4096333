/** A call to try, as a line for a shell. Pure. */

import type { Resource } from './document';

export type Call = { method: string; path: string; keyed: boolean };

/** The call that most likely succeeds as it is: a GET without path parameters, the shortest path first. */
export function sampleCall(resources: Resource[]): Call {
  const calls = resources.flatMap(({ path, methods }) =>
    methods.map((method) => ({ method: method.httpMethod, path, keyed: method.apiKeyRequired })),
  );
  const rank = (call: Call) =>
    (call.method === 'GET' ? 0 : 1000) + (call.path.includes('{') ? 500 : 0) + call.path.length;
  return calls.toSorted((a, b) => rank(a) - rank(b))[0] ?? { method: 'GET', path: '/', keyed: false };
}

/** `key` is the value to send; without one a placeholder stands where a key is needed. */
export function curlLine(invokeUrl: string, { method, path, keyed }: Call, key?: string): string {
  const verb = method === 'GET' || method === 'ANY' ? '' : ` -X ${method}`;
  const header = keyed ? ` -H ${quoted(`x-api-key: ${key ?? 'YOUR_KEY'}`)}` : '';
  return `curl -i${verb}${header} ${quoted(invokeUrl.replace(/\/$/, '') + path)}`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
