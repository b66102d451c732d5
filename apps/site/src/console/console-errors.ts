import { AppError } from '@bascule/errors/app-error.ts';

/** More logins of consoles wait than the site keeps at once. */
export function tooManyWaiting(): AppError {
  return new AppError(
    'limited',
    'CONSOLE_LOGINS_LIMIT',
    'Too many consoles are waiting for their login to be confirmed: try again in a minute.',
    { retryAfterSeconds: 60 },
  );
}

/** A parcel that this site does not hand out. */
export function noSuchParcel(): AppError {
  return new AppError('not-found', 'CONSOLE_PARCEL_UNKNOWN', 'The site has no such file any more: run the command again.');
}
