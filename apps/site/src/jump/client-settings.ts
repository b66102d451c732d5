import { AppError } from '@bascule/errors/app-error.ts';
import { CONTROL_SILENCE_LIMIT_MS } from '@bascule/protocol/control-link.ts';

/** How long a client may be silent before it is shown as offline, in seconds. */
export const SILENCE_MIN_S = 30;
export const SILENCE_MAX_S = 600;
export const CHECK_IN_MAX_HOURS = 168;

/** What the site sets on all clients, and how it takes their silence (the page Upgrades of Jump Clients). */
export interface ClientRules {
  offlineAfterSeconds: number;
  /** Passive clients check in at least this often. */
  checkInHours: number;
  toleratesDates: boolean;
}

export const DEFAULT_CLIENT_RULES: ClientRules = {
  offlineAfterSeconds: CONTROL_SILENCE_LIMIT_MS / 1000,
  checkInHours: 24,
  toleratesDates: false,
};

/** Throws JUMP_CLIENT_RULES when a number is out of its bounds: nothing is changed then. */
export function checkClientRules({ offlineAfterSeconds, checkInHours }: ClientRules): void {
  const isWithin = (value: number, min: number, max: number) => Number.isInteger(value) && value >= min && value <= max;
  if (isWithin(offlineAfterSeconds, SILENCE_MIN_S, SILENCE_MAX_S) && isWithin(checkInHours, 1, CHECK_IN_MAX_HOURS)) return;
  throw new AppError(
    'invalid',
    'JUMP_CLIENT_RULES',
    `Clients are offline after ${SILENCE_MIN_S} to ${SILENCE_MAX_S} seconds, and check in every 1 to ${CHECK_IN_MAX_HOURS} hours.`,
  );
}
