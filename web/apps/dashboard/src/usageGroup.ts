/** The value of one dimension of a row's group; empty where calls have none. */
export function groupValue(group: unknown, dimension: string): string {
  if (typeof group !== 'object' || group === null) return '';
  const value = (group as Record<string, unknown>)[dimension];
  return typeof value === 'string' ? value : '';
}
