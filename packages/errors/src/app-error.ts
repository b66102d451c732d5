/** The kinds of failure a caller can meet. `not-found` also stands for 'forbidden': nobody can probe for what exists (I8). */
export const ErrorKind = {
  invalid: 'invalid',
  unauthenticated: 'unauthenticated',
  notFound: 'not-found',
  conflict: 'conflict',
  limited: 'limited',
  tooLarge: 'too-large',
  unavailable: 'unavailable',
  internal: 'internal',
} as const;
export type ErrorKind = (typeof ErrorKind)[keyof typeof ErrorKind];

export interface AppErrorOptions {
  /** The field of the input that is wrong, as a path: `body.name`. */
  field?: string;
  /** For `limited` and `unavailable`: when another try makes sense. */
  retryAfterSeconds?: number;
  /** Values for the translated text of `code`; never secrets. */
  params?: Record<string, string | number>;
  cause?: unknown;
}

/**
 * A fault that a caller is told about. `code` is permanent (`JUMP_TOKEN_USED_UP`), `message` is plain English that says what is
 * wrong and what to do; the interfaces translate by `code`. Only `packages/http` and the wire dispatchers turn it into an answer.
 */
export class AppError extends Error {
  override name = 'AppError';
  readonly code: string;
  readonly kind: ErrorKind;
  readonly field: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly params: Record<string, string | number>;
  constructor(kind: ErrorKind, code: string, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.field = options.field;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.params = options.params ?? {};
  }
}

/** The one answer for 'missing' and 'forbidden' (I8). */
export function notFound(): AppError {
  return new AppError('not-found', 'NOT_FOUND', 'There is no such thing here, or you may not see it.');
}
