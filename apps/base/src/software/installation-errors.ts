import { AppError } from '@bascule/errors/app-error.ts';
import type { InstallationStep } from '@bascule/protocol/api/updates.ts';
import type { Cause } from './journal.ts';

/** Why a running installation is given up, as the reason of its abort signal. */
export class Cancelled extends Error {
  override name = 'Cancelled';
}
/** base goes down: nothing is ended, the next base goes on. */
export class BaseStops extends Error {
  override name = 'BaseStops';
}

const BY_HAND =
  'Nothing was changed. Check the network and the time of the appliance and try again, or bring the package by hand: Appliance Download Key, then Manual Installation.';
const RETRY = 'Nothing is lost. Try again; if it happens again, send the log of this installation to whoever made the package.';
/** What to do, by code; and whether the same again may help. */
const ADVICE: Record<string, { advice: string; mayRetry: boolean }> = {
  INSTALLATION_INTERRUPTED: { advice: 'Nothing is lost. Start the installation again.', mayRetry: true },
  INSTALLATION_CANCELLED: { advice: '', mayRetry: true },
  DISK_FULL: { advice: 'Free space on the disk of the data directory, then start the installation again.', mayRetry: true },
  DISK_FAULT: { advice: 'Check the disk: the operating system could not read or write. Then try again.', mayRetry: true },
  MIRROR_UNREACHABLE: { advice: BY_HAND, mayRetry: true },
  UPDATES_NO_SOURCE: { advice: BY_HAND, mayRetry: true },
  PACKAGE_MISSING: { advice: BY_HAND, mayRetry: true },
  PACKAGE_RUNTIME_MISSING: { advice: BY_HAND, mayRetry: true },
  PACKAGE_CORRUPT: {
    advice: 'Nothing was changed. Try again: the package is fetched anew, or bring it by hand.',
    mayRetry: true,
  },
  PREFLIGHT_RED: { advice: 'Do what the red lines say, then start the installation again.', mayRetry: true },
  PREFLIGHT_AMBER: { advice: 'Do what the amber lines say, or overrule them when you start the installation.', mayRetry: true },
  SITE_CANDIDATE_FAILED: {
    advice: 'The old version is in use again. The log says more; try the package on a copy before the next attempt.',
    mayRetry: true,
  },
  BASE_CANDIDATE_FAILED: { advice: 'The old base works on and was not touched. The log says more.', mayRetry: true },
  BASE_DID_NOT_STAY: { advice: 'The old base is back. Send the appliance log to whoever made the package.', mayRetry: false },
  CRASH_LOOP: { advice: 'The old version is back. Send the appliance log to whoever made the package.', mayRetry: false },
  SITE_UNHEALTHY: { advice: 'The old version is back. The log says what did not answer.', mayRetry: true },
  CLIENTS_NOT_BACK: {
    advice:
      'The old version is back. See on the Jump Clients page which are offline, and whether their network reaches this appliance.',
    mayRetry: true,
  },
  PACKAGE_UNLIKE_MANIFEST: {
    advice: 'Get the package again from the update server, or a new one from whoever made it.',
    mayRetry: false,
  },
};

export function cause(code: string, message: string): Cause {
  return { code, message, ...(ADVICE[code] ?? { advice: RETRY, mayRetry: true }) };
}

/** What a person is told of a step that threw. */
export function causeOf(error: unknown, step: InstallationStep): Cause {
  if (error instanceof Cancelled) return cause('INSTALLATION_CANCELLED', `Cancelled at the step ${step}: ${error.message}.`);
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'STORE_DISK_FULL')
    return cause('DISK_FULL', `The disk is full (step ${step}).`);
  if (code === 'EIO' || code === 'EROFS' || code === 'STORE_IO' || code === 'DISK_FAILED')
    return cause('DISK_FAULT', `The disk failed at the step ${step}: ${message}`);
  if (error instanceof AppError) return cause(error.code, error.message);
  return cause('INSTALLATION_FAILED', `The step ${step} failed: ${message}`);
}

export function interrupted(step: InstallationStep): Cause {
  return cause(
    'INSTALLATION_INTERRUPTED',
    `The appliance was restarted while the installation was at the step ${step}; the old version is in use.`,
  );
}
