import { Problem, problemOf } from './problem';

/** Sent with every change: a cross-site form cannot set it, so together with the SameSite cookie it stops forgery. */
const CSRF = { 'x-tollgate-csrf': '1' };

/** A JSON call to our own origin; the session cookie goes along. Throws a `Problem` unless the answer is a success. */
export async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, {
    method,
    credentials: 'same-origin',
    headers: { accept: 'application/json', ...(method !== 'GET' && { 'content-type': 'application/json', ...CSRF }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return undefined as T;
  const type = response.headers.get('content-type') ?? '';
  if (!type.includes('json')) {
    throw new Problem({
      title: 'The server answered something that is not JSON',
      status: response.status,
      code: 'not_json',
    });
  }
  return (await response.json()) as T;
}
