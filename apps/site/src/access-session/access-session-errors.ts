import { AppError } from '@bascule/errors/app-error.ts';

function itemAwaitsCheckIn(name: string, nextCheckInMs: number): AppError {
  const by = new Date(nextCheckInMs).toISOString().slice(0, 16).replace('T', ' ');
  return new AppError(
    'conflict',
    'ACCESS_SESSION_ITEM_CHECKS_IN',
    `${name} is passive and not connected: it checks in by ${by} UTC at the latest. Wait for it in the console, or run 'bascule-client check-in' on it.`,
    { params: { name, nextCheckInMs } },
  );
}

/** `nextCheckInMs`: when it comes by itself, for a passive client. */
export function itemOffline(name: string, nextCheckInMs?: number): AppError {
  if (nextCheckInMs !== undefined) return itemAwaitsCheckIn(name, nextCheckInMs);
  return new AppError(
    'conflict',
    'ACCESS_SESSION_ITEM_OFFLINE',
    `${name} is offline: try again when its Jump Client is connected.`,
    {
      params: { name },
    },
  );
}

export function itemNotApproved(name: string): AppError {
  return new AppError(
    'conflict',
    'ACCESS_SESSION_ITEM_NOT_APPROVED',
    `${name} is not approved: an administrator has to approve its Jump Client first.`,
    { params: { name } },
  );
}

/** B109, B110: the policy is 'current clients only'. `place`: in the upgrade queue, from 1; null when it does not wait there just now. */
export function upgradePending(name: string, place: number | null): AppError {
  return new AppError(
    'conflict',
    'CLIENT_UPGRADE_PENDING',
    place === null
      ? `${name} runs an older version, and this site allows jumps to current clients only. Its upgrade does not wait in the queue just now: look at Jump Clients > Upgrades.`
      : `${name} is being upgraded first: it is number ${place} in the queue. Try again when it is current.`,
    { params: { name, ...(place !== null && { place }) } },
  );
}

export function limitReached(which: 'user' | 'item' | 'site', limit: number): AppError {
  const whose = { user: 'You have', item: 'This Jump Item has', site: 'This site has' }[which];
  return new AppError(
    'limited',
    `ACCESS_SESSION_LIMIT_${which.toUpperCase()}`,
    `${whose} ${limit} access sessions already, which is the limit: end one first.`,
    { params: { limit }, retryAfterSeconds: 30 },
  );
}

export function relayAway(): AppError {
  return new AppError(
    'unavailable',
    'ACCESS_SESSION_RELAY_AWAY',
    'The part that carries sessions is just restarting: try again in a few seconds.',
    {
      retryAfterSeconds: 2,
    },
  );
}

export function recordingFailed(reason: string): AppError {
  return new AppError(
    'unavailable',
    'ACCESS_SESSION_RECORDING_FAILED',
    `The recording cannot be written (${reason}), and no session starts unrecorded: an administrator has to look at the disk.`,
    { params: { reason }, retryAfterSeconds: 60 },
  );
}

export function startFailed(name: string): AppError {
  return new AppError('unavailable', 'ACCESS_SESSION_START_FAILED', `The Jump Client of ${name} went away just now: try again.`, {
    params: { name },
    retryAfterSeconds: 2,
  });
}

export function alreadyEnded(): AppError {
  return new AppError('conflict', 'ACCESS_SESSION_ENDED', 'This access session has ended: open a new one.');
}
