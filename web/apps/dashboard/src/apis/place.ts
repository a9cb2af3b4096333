/** Places in a document, for people. Pure. */

/** Something about a document, with the place if it is known. */
export type Remark = { message: string; line: number | null; pointer: string | null };
/** Why a document, or what came with it, was refused. */
export type Fault = Remark & { field: string | null };

/** A JSON pointer (RFC 6901) in words: `/paths/~1orders/get` is "paths › /orders › get". */
export function placeOf(pointer: string): string {
  const steps = pointer.split('/').slice(1);
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~')).join(' › ');
}

/**
 * A refusal of a document taken apart: its field is `document` and a pointer, its message `line 7: POINTER: reason` with
 * either part left out where it is not known.
 */
export function refusedAt(field: string | null, message: string): Fault {
  const line = /\bline (\d+)/.exec(message)?.[1];
  const pointer = field?.startsWith('document/') ? field.slice('document'.length) : '';
  const reason = message.replace(/^line \d+: /, '');
  const rest = pointer && reason.startsWith(`${pointer}: `) ? reason.slice(pointer.length + 2) : reason;
  return { field, pointer: pointer || null, line: line ? Number(line) : null, message: pointer ? rest : message };
}
