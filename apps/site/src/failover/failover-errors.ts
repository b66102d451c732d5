import { AppError } from '@bascule/errors/app-error.ts';
import { FAILOVER_READ_ONLY } from '@bascule/protocol/api/failover.ts';

/** Nothing may be written here now: the other side has the site, or is about to. */
export function notWriting(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_NOT_PRIMARY',
    'This appliance is not the primary (any more): nothing was changed. Reload the page.',
    {
      retryAfterSeconds: 1,
    },
  );
}

/** The change was made here, and whether it stays is not known: this side lost the site before the other one had it. */
export function notConfirmed(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_NOT_CONFIRMED',
    'The appliances changed roles before the other one had this change: reload the page, and look whether it was made.',
    { retryAfterSeconds: 1 },
  );
}

/** Too many changes wait for the other side. */
export function peerTooSlow(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_PEER_SLOW',
    'Too many changes wait for the other appliance: nothing was changed. Try again in a moment.',
    { retryAfterSeconds: 1 },
  );
}

/** A change was asked for at a backup; `primaryUrl` is where it can be made. */
export function changeAtPrimary(primaryUrl: string | null): AppError {
  return new AppError(
    'conflict',
    FAILOVER_READ_ONLY,
    primaryUrl === null
      ? 'This appliance is the backup and changes nothing; the primary cannot be reached just now.'
      : `This appliance is the backup and changes nothing: make the change at the primary, ${primaryUrl}.`,
    { params: { primaryUrl: primaryUrl ?? '' } },
  );
}

export function noPair(): AppError {
  return new AppError('conflict', 'FAILOVER_NO_PAIR', 'There is no failover relationship: establish one first.');
}

export function peerUnreachable(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_PEER_UNREACHABLE',
    'The other appliance cannot be reached: look at its state and at the network between the two.',
    { retryAfterSeconds: 5 },
  );
}

/** The person was shown less than would be lost by now. */
export function exposureChanged(changes: number, seconds: number): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_EXPOSURE_CHANGED',
    `By now ${changes} changes of the last ${Math.ceil(seconds)} seconds would be lost: look at the page again, and decide anew.`,
    { params: { changes, seconds: Math.ceil(seconds) } },
  );
}

export function roleUnfit(message: string): AppError {
  return new AppError('conflict', 'FAILOVER_ROLE_UNFIT', message);
}

/** The recordings of running sessions would miss something after a swap, and nothing is wrong but the time (I2). */
export function outputExposed(bytes: number, appliance: string): AppError {
  return roleUnfit(
    `${bytes} bytes of the output of running sessions are on ${appliance} alone, and would be missing in their recordings: try again when the other appliance has them, or become primary without pulling first.`,
  );
}

export function busy(what: string): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_BUSY',
    `Another change of the failover relationship is under way (${what}): wait until it is done.`,
    {
      retryAfterSeconds: 2,
      params: { what },
    },
  );
}

/** The relationship is broken, and the other side's word counts no more. */
export function brokenOff(appliance: string): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_ROLE_UNFIT',
    `The relationship with ${appliance} is broken: establish it again with the pre-shared key, at the appliance that is to be primary.`,
  );
}

/** An epoch that nobody can have come to. */
export function epochTooHigh(epoch: number): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_EPOCH_TOO_HIGH',
    `Epoch ${epoch} is far above every one that is known here: it is not accepted. Look at both appliances.`,
    { params: { epoch } },
  );
}

/** The peer answered, and refused. */
export function peerRefused(code: string | undefined, message: string | undefined): AppError {
  return new AppError(
    'conflict',
    code ?? 'FAILOVER_PEER_REFUSED',
    message ?? 'The other appliance refused, and did not say why.',
  );
}

export function noCopyYet(): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_NO_COPY',
    'This appliance has no whole copy of the site yet: wait until the first copy is done.',
  );
}

export function notInConflict(): AppError {
  return new AppError('conflict', 'FAILOVER_NO_CONFLICT', 'The two appliances agree: there is nothing to fix.');
}

/** Whoever answers at the peer's address has no signed word for the epoch that it claims, or an old one. */
export function wrongSource(): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_WRONG_SOURCE',
    'The other appliance is not the primary by the newest signed statement: nothing is taken from it.',
  );
}

/** Automatic failover is asked for, and nobody could say who may be primary. */
/** Turned on, and off again: without the witness this side could not write. */
export function witnessSilent(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_WITNESS_SILENT',
    'The witness does not answer: automatic failover was not turned on. Look at the witness, and try again.',
  );
}

export function witnessNeeded(): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_WITNESS_NEEDED',
    'Automatic failover needs a witness: enrol both appliances at one first.',
  );
}
