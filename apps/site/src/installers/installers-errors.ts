import { AppError } from '@bascule/errors/app-error.ts';

/** Why a file cannot be made here, as the lists show it. */
export interface FileProblem {
  code: string;
  message: string;
}

export const NO_PROGRAMS: FileProblem = {
  code: 'INSTALLER_NO_PROGRAM',
  message: 'This site has no program of that kind for that system: install a site package that brings it.',
};
export const NO_MSI: FileProblem = {
  code: 'INSTALLER_MSI_UNAVAILABLE',
  message: 'This version of the site came without a Windows package of it: the site package has to be built with --windows.',
};

export function cannotBeMade(problem: FileProblem): AppError {
  return new AppError('conflict', problem.code, problem.message);
}

export function noNextVersion(): AppError {
  return new AppError(
    'conflict',
    'INSTALLER_NO_NEXT',
    'No next version is here: download the update first (/appliance > Updates), then make its installers.',
    { field: 'body.version' },
  );
}

export function notReadyYet(): AppError {
  return new AppError(
    'unavailable',
    'JUMP_INSTALLER_PREPARING',
    'The files for installing are still being prepared: try again in a minute.',
    { retryAfterSeconds: 15 },
  );
}

export const OUTDATED_SCRIPT: FileProblem = {
  code: 'INSTALLER_OUTDATED',
  message: 'It was made by another version of this site, and fetches what is not here any more: make a new one.',
};

export function keyUnreadable(cause: unknown): AppError {
  return new AppError(
    'conflict',
    'INSTALLER_KEY_UNREADABLE',
    'The key of this installer cannot be read, since the vault key that protects it is missing here. Restore the vault key, or make a new installer.',
    { cause },
  );
}
