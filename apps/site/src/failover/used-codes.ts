/** A one-time code is good once, at whichever side it was used (docs/decisions/0200): the primary raises its mark by what its backup says, within the time that a code is good for. */
import { raiseSteps, usedSteps } from '@bascule/accounts/carried-accounts.ts';
import type { PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import type { Pair } from './pair.ts';

/** As every authenticator counts (RFC 6238). */
const STEP_MS = 30_000;
/** Older codes are good nowhere. */
const GOOD_STEPS = 3;
/** Codes that one answer names. */
const USED_MAX = 50;

/** What was used here lately; for the primary. */
export function usedHere(pair: Pair): NonNullable<PairStateAnswer['usedSteps']> {
  const { records, now } = pair.parts;
  return usedSteps(records.store, Math.floor(now() / STEP_MS) - GOOD_STEPS, USED_MAX);
}

/** At the primary: what was used at its backup is used here too. A step that nobody can have used yet is not believed, for it would lock people out. */
export function takeUsedCodes(pair: Pair, { usedSteps: used = [] }: PairStateAnswer): void {
  const { records, database, now, log } = pair.parts;
  const { store } = database;
  if (records.self.role !== 'primary' || store === undefined || store.isFollower) return;
  const newest = Math.floor(now() / STEP_MS) + GOOD_STEPS;
  try {
    raiseSteps(
      store,
      used.filter(([, step]) => step <= newest),
    );
  } catch (error) {
    log.warn({ err: error }, 'failover.used-codes-not-noted');
  }
}
