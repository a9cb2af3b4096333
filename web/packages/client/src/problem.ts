/** Failures as the server tells them: RFC 9457 problem documents, and GraphQL errors in the same shape. */

export type FieldError = { field: string; message: string; code?: string };

type ProblemDocument = {
  title?: string;
  status?: number;
  code?: string;
  detail?: string;
  errors?: FieldError[];
  request_id?: string;
};

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly code: string | undefined;
  readonly detail: string | undefined;
  readonly fields: FieldError[];
  readonly requestId: string | undefined;

  constructor(document: ProblemDocument) {
    super(document.title ?? 'Something went wrong');
    this.status = document.status ?? 0;
    this.code = document.code;
    this.detail = document.detail;
    this.fields = document.errors ?? [];
    this.requestId = document.request_id;
  }

  /** What the error view shows. */
  get title(): string {
    return this.message;
  }
}

/**
 * The problem a response carries, also when its body is no problem document. The server's detail says what happened and
 * is what is read first; its title is only the kind.
 */
export async function problemOf(response: Response): Promise<Problem> {
  const header = response.headers.get('x-request-id') ?? undefined;
  const text = await response.text();
  const document = parse(text);
  return new Problem({
    title:
      document?.detail ??
      document?.title?.replaceAll('_', ' ') ??
      `The server answered ${response.status} ${response.statusText}`.trim(),
    status: response.status,
    code: document?.code,
    errors: document?.errors,
    request_id: document?.request_id ?? header,
  });
}

function parse(text: string): ProblemDocument | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as ProblemDocument) : null;
  } catch {
    return null;
  }
}

/** Any thrown value as a problem, so that one view shows them all. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError) {
    return new Problem({
      title: 'The server cannot be reached',
      detail: 'Check that Tollgate is running, then try again.',
      code: 'unreachable',
    });
  }
  return new Problem({ title: 'Something went wrong', detail: error instanceof Error ? error.message : undefined });
}
