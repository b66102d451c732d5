/** What base tells and asks about client programs, and who answers: the parts that build the queue and the trust enter themselves. */
import { AppError } from '@bascule/errors/app-error.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';

export type FleetAnswer = Omit<Extract<FromSite, { kind: 'fleet' }>, 'kind' | 'nonce' | 'error'>;

export interface FleetQuestions {
  /** The upgrade queue. */
  fleet?: { settled(): FleetAnswer | Promise<FleetAnswer>; committed(): void };
  /** 'Who would I lose?' (I6). */
  trust?: { losses(change: PlannedChange): Losses | Promise<Losses> };
}

/** Throws `SITE_DOES_NOT_SAY` when nobody answers such questions here: base does as with a site that is too old. */
export async function fleetAnswer({ fleet }: FleetQuestions): Promise<FleetAnswer> {
  if (fleet === undefined) throw doesNotSay();
  return await fleet.settled();
}

/** Throws as `fleetAnswer`. */
export async function lossesAnswer({ trust }: FleetQuestions, change: PlannedChange): Promise<Losses> {
  if (trust === undefined) throw doesNotSay();
  return await trust.losses(change);
}

function doesNotSay(): AppError {
  return new AppError('unavailable', 'SITE_DOES_NOT_SAY', 'This site does not say how its clients are.');
}
