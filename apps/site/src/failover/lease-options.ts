/** What a Lease is told when it is made, and started. */
import type { Log } from '@bascule/log/log.ts';
import type { LeaseRole, Position } from '@bascule/pair/lease-state.ts';
import type { LeaseTerms } from '@bascule/pair/lease-terms.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { WitnessAccess } from './witness-dial.ts';

export interface LeaseRoleFacts {
  /** `none`: neither holds nor takes over (read-only). */
  role: LeaseRole;
  history: string;
  /** As primary its own, else the highest that is known. */
  epoch: number;
  /** Of this epoch, as primary. */
  statement: SignedStatement | undefined;
  /** As primary: by whose word, if not by the witness'. */
  decidedBy?: string | undefined;
}

export interface LeaseConfig extends WitnessAccess, LeaseRoleFacts {
  /** What the witness keeps the record under: the same on both appliances, and for good. */
  site: string;
  /** SHA-256 of the pair keys of this appliance, and of its peer. */
  self: string;
  peer: string;
  /** The person who turned automatic failover on, at the primary and until it first holds the lease: whatever is on record of before is overruled. */
  enabledBy?: string;
}

/** What a follower answers to `hold`. */
export interface HoldAnswer {
  nonce: number;
  isPromised: boolean;
  isOff?: boolean | undefined;
}

export interface LeaseOptions {
  /** Signs that this appliance holds `epoch`; asked when the lease is about to be claimed. Gives the statement that the peer handed over, when there is one. */
  sign(epoch: number): Promise<SignedStatement> | SignedStatement;
  /** Newest change on this disk, and the newest that the peer is known to have. */
  position(): Position;
  /** Whether people can reach this side at all; otherwise the lease is kept, and won, no longer. Absent: they can. */
  isReached?(): boolean;
  log: Log;
  /** For tests. */
  terms?: LeaseTerms;
}
