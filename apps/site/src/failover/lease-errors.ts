import { AppError } from '@bascule/errors/app-error.ts';

/** Nothing may be written or answered: the lease has ended, and somebody else may hold it. */
export function noLease(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_NO_LEASE',
    'This appliance reaches neither the witness nor its peer, or has lost the lead to its peer: nothing was changed. Try again in a few seconds.',
    { retryAfterSeconds: 2 },
  );
}

/** In sync mode nobody goes on alone before the witness knows. */
export function notRecorded(): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_NOT_RECORDED',
    'The witness has not confirmed that the peer is behind: until then nothing is answered without the peer.',
    { retryAfterSeconds: 1 },
  );
}

/** A planned swap or a person's order did not get the lease. */
export function claimFailed(outcome: string): AppError {
  const why: Record<string, string> = {
    'no-witness': 'the witness cannot be reached; turn automatic failover off on this appliance to change roles without it',
    'held-by-other': 'the other appliance holds it, and has not given it up',
    'out-of-sync': 'this appliance does not have every change',
  };
  return new AppError(
    'conflict',
    'FAILOVER_CLAIM_FAILED',
    `The lease was not granted: ${why[outcome] ?? 'the witness refused'}.`,
    {
      params: { outcome },
    },
  );
}
