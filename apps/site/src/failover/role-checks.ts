/** How far the word of the other side counts (docs/decisions/0201). */
import type { EpochStatement } from '@bascule/protocol/pair-link.ts';
import * as errors from './failover-errors.ts';
import type { PairRecords } from './pair-records.ts';
import { readValue, type PeerRecord } from './pair-store.ts';
import { EPOCH_LEAP_MAX } from './statements.ts';

/** Throws when the relationship was broken for good: then the word of the other side changes nothing here. */
export function checkTrusted({ peer, trustsPeer }: PairRecords): void {
  if (peer !== undefined && !trustsPeer) throw errors.brokenOff(peer.name);
}

/**
 * Whether `statement` may make this side a backup: it is about the peer, none of before, and nobody who serves gives way to it unless the two are apart, or a person has decided so
 * here. `isAgain`: the relationship is established again. Throws `FAILOVER_ROLE_UNFIT`, `FAILOVER_EPOCH_TOO_HIGH`.
 */
export function checkGivesWay(
  records: PairRecords,
  statement: EpochStatement,
  peer: PeerRecord,
  { isAgain, mayGiveWay }: { isAgain: boolean; mayGiveWay(): boolean },
): void {
  const { serves, self } = records;
  if (statement.holder !== peer.keySha256) throw errors.roleUnfit('That statement is not about the appliance that sent it.');
  if (statement.history !== self.history) {
    if (!isAgain) throw errors.roleUnfit('That statement is about another history: establish the relationship again.');
  } else if (statement.epoch < self.epoch)
    throw errors.roleUnfit(
      `That statement is of epoch ${statement.epoch}, and epoch ${self.epoch} is known here: it is an old one.`,
    );
  else if (statement.epoch > self.epoch + EPOCH_LEAP_MAX) throw errors.epochTooHigh(statement.epoch);
  if (!serves) return;
  if (!records.isActive) throw errors.brokenOff(peer.name);
  if (!mayGiveWay() && readValue(records.store, 'giveWay') === undefined)
    throw errors.roleUnfit('This appliance is the primary, and nothing has to be fixed: swap the roles instead.');
}
