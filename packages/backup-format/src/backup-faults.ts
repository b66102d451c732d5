/** What can be wrong with a backup that is read, each said once and plainly. */
import { AppError } from '@bascule/errors/app-error.ts';

const USE_ANOTHER = 'Use another backup, or fetch this file again.';

export function passwordNeeded(): AppError {
  return new AppError('invalid', 'BACKUP_PASSWORD_NEEDED', 'This backup was made with a password: give it.', {
    field: 'body.password',
  });
}

/** Also when the header of the file was altered: nobody can tell which. */
export function passwordWrong(): AppError {
  return new AppError(
    'invalid',
    'BACKUP_PASSWORD_WRONG',
    'This is not the password that the backup was made with (or its first bytes were altered). Without the password it cannot be restored.',
    { field: 'body.password' },
  );
}

export function truncated(cause?: unknown): AppError {
  return new AppError('invalid', 'BACKUP_TRUNCATED', `The backup is incomplete: it ends in the middle. ${USE_ANOTHER}`, {
    cause,
  });
}

/** `what` went wrong, as a clause. */
export function damaged(what: string, cause?: unknown): AppError {
  return new AppError('invalid', 'BACKUP_DAMAGED', `The backup is damaged or was altered: ${what}. ${USE_ANOTHER}`, {
    params: { what },
    cause,
  });
}

export function foreign(): AppError {
  return new AppError('invalid', 'BACKUP_FOREIGN', 'This file is not a backup of Bascule. Choose the file that Bascule made.');
}

/** A file in the clear where an encrypted one was expected: its password says nothing about it. */
export function notEncrypted(why: string): AppError {
  return new AppError(
    'invalid',
    'BACKUP_NOT_ENCRYPTED',
    `The file is not encrypted, although ${why}: somebody may have put it in the place of the backup. Use the file that Bascule made; for a backup without a password leave the password empty.`,
    { field: 'body.password' },
  );
}

/** Something that no backup of ours holds: a link, a device, a path that leads elsewhere, a name twice. */
export function refused(what: string): AppError {
  return new AppError('invalid', 'BACKUP_ENTRY_REFUSED', `The backup holds something that no backup may hold: ${what}.`, {
    params: { what },
  });
}

export function tooLarge(what: string): AppError {
  return new AppError('too-large', 'BACKUP_TOO_LARGE', `The backup was not unpacked: ${what}.`, { params: { what } });
}
