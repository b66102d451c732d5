import { AppError } from '@bascule/errors/app-error.ts';

export function placeFailed(where: string, why: string, cause?: unknown): AppError {
  return new AppError('unavailable', 'BACKUP_PLACE_FAILED', `${where} cannot be used: ${why}.`, {
    params: { where, why },
    cause,
  });
}

export function hostKeyOther(host: string, found: string, expected: string): AppError {
  return new AppError(
    'conflict',
    'BACKUP_HOST_KEY_OTHER',
    `${host} shows the host key ${found}, and ${expected} was confirmed. Nothing was sent. If the server was renewed, confirm its new key; if not, somebody else answers in its place.`,
    { params: { host, found, expected } },
  );
}

export function noRoom(where: string, neededBytes: number, freeBytes: number): AppError {
  return new AppError(
    'unavailable',
    'BACKUP_NO_ROOM',
    `The backup was not begun: ${where} has ${megabytes(freeBytes)} free, and it may need ${megabytes(neededBytes)}, with what stays reserved. Make room, leave recordings or files out, or choose another destination.`,
    { params: { where, neededBytes, freeBytes } },
  );
}

export function busy(): AppError {
  return new AppError('conflict', 'BACKUP_BUSY', 'Other backups wait already. Try again when they are done.');
}

/** The identity of the site, and what the box keeps to itself, leave by a person's word alone. */
export function passwordByToken(): AppError {
  return new AppError(
    'invalid',
    'BACKUP_PASSWORD_BY_TOKEN',
    'An API token makes backups without a password alone: one with a password holds the identity of the site. Leave the password out; a person, or the schedule, makes the others.',
    { field: 'body.password' },
  );
}

export function cancelled(by: string): AppError {
  return new AppError('conflict', 'BACKUP_CANCELLED', `It was cancelled by ${by}.`, { params: { by } });
}

/** `stage`: how far it was. */
export function interrupted(wasWritten: boolean): AppError {
  return new AppError(
    'unavailable',
    wasWritten ? 'BACKUP_NOT_CHECKED' : 'BACKUP_INTERRUPTED',
    wasWritten
      ? 'The site was restarted before the backup was checked. Check it now.'
      : 'The site was restarted while it was made. Make it again.',
  );
}

export function unknownDestination(): AppError {
  return new AppError('not-found', 'BACKUP_DESTINATION_UNKNOWN', 'There is no such destination any more. Choose another one.', {
    field: 'body.destination',
  });
}

export function notHere(): AppError {
  return new AppError(
    'conflict',
    'BACKUP_NOT_HERE',
    'The file does not lie on this appliance. Fetch it from its destination, or from the appliance that made it.',
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000).toLocaleString('en')} MB`;
}

/** Throws `BACKUP_RECORDINGS_NEED_HISTORY`. */
export function checkInclude({ history, recordings }: { history: boolean; recordings: boolean }): void {
  if (recordings && !history)
    throw new AppError(
      'invalid',
      'BACKUP_RECORDINGS_NEED_HISTORY',
      'Recordings need the history: without it nothing would say whose they are. Include the history, or leave recordings out.',
      { field: 'body.include.recordings' },
    );
}
