/** A path of our own to return to after sign-in; anything else leads home, so that no link can send elsewhere. */
export function safeNext(next: unknown): string | undefined {
  if (typeof next !== 'string' || !next.startsWith('/') || next.startsWith('//') || next.includes('\\'))
    return undefined;
  return next === '/' ? undefined : next;
}
