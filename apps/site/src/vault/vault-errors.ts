import { AppError } from '@bascule/errors/app-error.ts';

export const wrongPassword = () =>
  new AppError(
    'invalid',
    'VAULT_FILE_PASSWORD_WRONG',
    'The password does not open this vault key file. Nothing was changed: try the password that was typed when the file was downloaded.',
    { field: 'body.password' },
  );
export const damagedFile = (cause?: unknown) =>
  new AppError(
    'invalid',
    'VAULT_FILE_DAMAGED',
    'The vault key file was altered or cut. Nothing was changed: take another copy of it.',
    { field: 'body.file', cause },
  );
export const otherFile = (cause?: unknown) =>
  new AppError(
    'invalid',
    'VAULT_FILE_OTHER',
    'This is not a vault key file of Bascule. Nothing was changed: choose the file that was downloaded as vault key.',
    { field: 'body.file', cause },
  );
export const newerFile = () =>
  new AppError(
    'invalid',
    'VAULT_FILE_NEWER',
    'The vault key file was made by a newer version of Bascule. Nothing was changed: upgrade this appliance first.',
    { field: 'body.file' },
  );
export const rotationRunning = () =>
  new AppError('conflict', 'VAULT_ROTATION_RUNNING', 'A rotation of the vault key is under way: wait for its end.');
export const rotationNotNow = () =>
  new AppError(
    'conflict',
    'VAULT_ROTATION_NOT_NOW',
    'A new version is being watched, and the version before could not read what a new vault key wraps. Rotate the key when the watch is over.',
  );
export const rotationNotCancellable = () =>
  new AppError(
    'conflict',
    'VAULT_ROTATION_NOT_CANCELLABLE',
    'The new vault key is in use already: the rotation goes on to its end.',
  );

/** Why a rotation stands still; also shown as `waitsFor`. */
export const waits = {
  away: (name: string) => ({
    code: 'VAULT_WAITS_FOR_BACKUP',
    message: `It goes on as soon as the backup ${name} is reachable and has the vault keys and all changes.`,
  }),
  tooOld: (name: string) => ({
    code: 'VAULT_BACKUP_TOO_OLD',
    message: `The software of the backup ${name} does not know of the rotation of vault keys: upgrade it.`,
  }),
  failed: (reason: string) => ({ code: 'VAULT_ROTATION_FAILED', message: `${reason} It is tried again by itself.` }),
};

export const busy = () =>
  new AppError('limited', 'VAULT_BUSY', 'Another vault key file is being made or opened; try again in a few seconds.', {
    retryAfterSeconds: 5,
  });
