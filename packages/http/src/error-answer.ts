import type { FastifyError, FastifyReply } from 'fastify';
import { AppError, notFound, type ErrorKind } from '@bascule/errors/app-error.ts';
import type { ApiError } from '@bascule/protocol/api/common.ts';

export const STATUS_OF_KIND: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  'not-found': 404,
  conflict: 409,
  limited: 429,
  'too-large': 413,
  unavailable: 503,
  internal: 500,
};

/** What `error` is to the caller. An unknown fault becomes INTERNAL, of which only the request id is told. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const { statusCode, code } = error as Partial<FastifyError>;
  if (statusCode === 413) return new AppError('too-large', 'BODY_TOO_LARGE', 'The request is too large.', { field: 'body' });
  if (statusCode === 404) return notFound();
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new AppError('invalid', 'BODY_NOT_JSON', 'The body must be JSON with the content type application/json.', {
      field: 'body',
    });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new AppError('invalid', 'REQUEST_MALFORMED', 'The request is malformed: its body is not JSON, or a header is wrong.', {
      field: 'body',
    });
  return new AppError('internal', 'INTERNAL', 'Something failed here. The log says more under the request id.', { cause: error });
}

/** Sends `error` as an `apiError` answer. */
export function sendError(reply: FastifyReply, error: AppError, requestId: string): FastifyReply {
  const isInternal = error.kind === 'internal';
  const answer: ApiError = {
    error: {
      code: isInternal ? 'INTERNAL' : error.code,
      message: isInternal ? 'Something failed here. The log says more under the request id.' : error.message,
      ...(error.field !== undefined && { field: error.field }),
      ...(Object.keys(error.params).length > 0 && { params: error.params }),
      requestId,
    },
  };
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  return reply.code(STATUS_OF_KIND[error.kind]).type('application/json; charset=utf-8').send(JSON.stringify(answer));
}
