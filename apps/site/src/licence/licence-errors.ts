import { AppError } from '@bascule/errors/app-error.ts';
import { GRACE_DAYS } from './licence-core.ts';

/** B208: every licence for endpoints is on another one. */
export function endpointsFull(name: string, limit: number): AppError {
  return new AppError(
    'limited',
    'LICENCE_ENDPOINTS',
    `${name} has no licence, and all ${limit} are on other endpoints: an administrator can move one at Management > Licences, or delete an endpoint that is no longer needed.`,
    { params: { name, limit }, retryAfterSeconds: 60 },
  );
}

/** B209: as many people as are licensed have sessions. */
export function representativesFull(limit: number): AppError {
  return new AppError(
    'limited',
    'LICENCE_REPRESENTATIVES',
    `${limit} people have access sessions, as many as are licensed at one time: try again when one of them has ended theirs. Management > Licences shows who.`,
    { params: { limit }, retryAfterSeconds: 60 },
  );
}

export function licenceExpired(): AppError {
  return new AppError(
    'limited',
    'LICENCE_EXPIRED',
    `The licence of this site expired more than ${GRACE_DAYS} days ago: sessions that run go on, and administrators can open new ones. Ask an administrator for a new licence package.`,
    { params: { days: GRACE_DAYS }, retryAfterSeconds: 3600 },
  );
}

export function noFreeLicence(limit: number): AppError {
  return new AppError('conflict', 'LICENCE_NONE_FREE', `All ${limit} licences are in use: move one from another endpoint.`, {
    params: { limit },
  });
}

export function notLicensable(): AppError {
  return new AppError(
    'conflict',
    'LICENCE_NOT_MOVED',
    'The licence was not moved: one of the two endpoints has changed meanwhile. Look at the list again.',
  );
}
