/** The admin API as automation uses it: what a test needs to be there before it opens a browser. */

import { expect } from 'vitest';
import type { Tollgate } from './tollgate.ts';

type Payload = { errors: unknown[] } & Record<string, unknown>;

/** Runs one mutation with one argument `input` and answers its payload. */
export async function mutate<T>(tollgate: Tollgate, name: string, input: unknown, fields: string): Promise<T> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
  const response = await fetch(tollgate.graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${tollgate.token}` },
    body: JSON.stringify({
      query: `mutation($input: ${type}!) { ${name}(input: $input) { ${fields} errors { message } } }`,
      variables: { input },
    }),
  });
  const answer = (await response.json()) as { data?: Record<string, Payload>; errors?: unknown };
  expect(answer.errors).toBeUndefined();
  const payload = answer.data?.[name];
  expect(payload?.errors).toEqual([]);
  return payload as T;
}

/** The link that the newest mail to an address carries. */
export async function mailedLink(tollgate: Tollgate, to: string): Promise<string> {
  const inbox = await (await fetch(tollgate.mail_inbox)).text();
  const mail = inbox.split('<pre>').find((one) => one.includes(`To: ${to}`));
  const link = /href="([^"]+)"/.exec(mail ?? '')?.[1];
  if (!link) throw new Error(`no mail with a link to ${to} in the inbox`);
  return link.replaceAll('&amp;', '&');
}
