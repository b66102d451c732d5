/** What the core of one appliance knows of the lease, what it hears, and what it wants done. All instants are of this machine's boot clock, in milliseconds. */
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { FromWitness, ToWitness } from '@bascule/protocol/witness-link.ts';
import { grantorSpanMs, type LeaseTerms } from './lease-terms.ts';

/** Sent or to be sent to the witness, but for what the link adds. */
export type LeaseRequest = Extract<ToWitness, { kind: 'lease' | 'release' | 'ask' }>;
export type WitnessRecord = NonNullable<FromWitness['record']>;

/** `primary`: holds or wants to keep the lease. `standby`: may take it over. `none`: neither (read-only, or the lease was lost and main has not said what comes of it). */
export type LeaseRole = 'primary' | 'standby' | 'none';

/** Newest change that this side has, and the newest that its peer is known to have. */
export interface Position {
  seq: number;
  peerSeq: number;
}

export interface Claim {
  /** A named person, who was shown what is lost. */
  forcedBy: string | undefined;
  /** Somebody ordered it (a planned swap, or that person); absent: the witness' record allows it. */
  untilMs: number | undefined;
  epoch: number;
  statement: SignedStatement | undefined;
}

interface Outstanding {
  request: LeaseRequest;
  sentAtMs: number;
  /** Of `wish`, when it was sent. */
  version: number;
}

export interface LeaseState {
  readonly terms: LeaseTerms;
  readonly site: string;
  /** SHA-256 of the pair keys of this side, and of the other. */
  readonly self: string;
  readonly peer: string;
  readonly role: LeaseRole;
  readonly history: string;
  /** Highest epoch that this side knows a holder of; as primary, its own. */
  readonly epoch: number;
  readonly statement: SignedStatement | undefined;
  /** Who turned automatic failover on: the witness is told whose word made this side primary. Until the first lease. */
  readonly enabledBy: string | undefined;
  /** As primary: who decided, without the witness, that this side is. */
  readonly decidedBy: string | undefined;

  /** `greeting`: it stands, and nothing was answered on it; only questions are sent (docs/decisions/0180). */
  readonly link: 'down' | 'greeting' | 'ready';
  readonly nonce: number;
  readonly outstanding: Outstanding | undefined;
  readonly nextSendMs: number;
  readonly record: WitnessRecord | undefined;
  readonly heardAtMs: number | undefined;
  /** The witness knows this side no more, or not yet. */
  readonly isRefused: boolean;

  /** What the witness granted holds until then. */
  readonly grantedUntilMs: number;
  /** What the peer promised: not to take over before. */
  readonly promisedUntilMs: number;
  /** The witness has on record that nobody but this side is in sync, and no word of ours could have changed that: nobody takes over but by a person. */
  readonly isAlone: boolean;
  readonly peerAsk: { nonce: number; sentAtMs: number };
  readonly nextPeerAskMs: number;

  /** Primary: whether main says that the peer is in sync; `version` counts what main said. */
  readonly wish: { inSync: boolean; version: number };
  /** Version of the wish 'not in sync' that is on record; -1: none. */
  readonly recordedVersion: number;
  /** Standby: whether its copy is whole and it may take over. */
  readonly isReady: boolean;
  readonly position: Position;
  readonly leaseMs: number;

  readonly claim: Claim | undefined;
  /** It gave the lease up for the other side: it takes nothing over by itself before. */
  readonly restsUntilMs: number;
  /** This side promised the holder not to take over before. */
  readonly givenUntilMs: number;
  readonly aliveAtMs: number;
}

export interface RoleFacts {
  role: LeaseRole;
  history: string;
  epoch: number;
  statement: SignedStatement | undefined;
  /**
   * As primary: a person, or an upgrade plan, by whose word it is primary of `epoch`. Overrules a record of an older epoch: roles may have changed while automatic failover was
   * off, as in a plan that breaks the relationship.
   */
  decidedBy?: string | undefined;
}

export type LeaseInput = { nowMs: number } & (
  | { kind: 'tick'; aliveAtMs: number; position: Position }
  | { kind: 'link-up' }
  | { kind: 'link-down' }
  | { kind: 'answer'; answer: FromWitness }
  /** Main took a role, of itself or because of `won` or `lost`. */
  | ({ kind: 'role' } & RoleFacts)
  | { kind: 'wish'; inSync: boolean; version: number }
  | { kind: 'ready'; isReady: boolean }
  /** Main signed what `sign` asked for. */
  | { kind: 'signed'; epoch: number; statement: SignedStatement }
  /** A planned swap, after the holder has said over the pair link that it writes no more; or, with `forcedBy`, a named person's order. */
  | { kind: 'claim'; forcedBy: string | undefined; lifeMs: number }
  | { kind: 'release'; peerInSync: boolean }
  /** From now on leases of this length are asked for. */
  | { kind: 'lease-length'; leaseMs: number }
  /** The peer, which is primary of `epoch`, asks that this side does not take over for `leaseMs`. */
  | { kind: 'peer-asks'; nonce: number; epoch: number; leaseMs: number }
  | { kind: 'peer-answers'; nonce: number; isPromised: boolean }
);

export type LeaseEffect =
  | { kind: 'send'; request: LeaseRequest }
  /** The link is of no use: close it, and dial another. */
  | { kind: 'drop-link' }
  | { kind: 'sign'; epoch: number }
  | { kind: 'ask-peer'; nonce: number; epoch: number; leaseMs: number }
  | { kind: 'answer-peer'; nonce: number; isPromised: boolean }
  | {
      kind: 'won';
      epoch: number;
      statement: SignedStatement;
      forcedBy: string | undefined;
      isOrdered: boolean;
      record: WitnessRecord;
    }
  /** Somebody else holds the lease by a higher epoch. */
  | { kind: 'lost'; record: WitnessRecord }
  | { kind: 'claim-failed'; outcome: FromWitness['outcome'] | 'no-witness' }
  | { kind: 'released' };

export interface LeaseStep {
  state: LeaseState;
  effects: LeaseEffect[];
}

export interface LeaseOptions extends RoleFacts {
  terms: LeaseTerms;
  site: string;
  self: string;
  peer: string;
  enabledBy: string | undefined;
  nowMs: number;
}

/** The state after a start: nothing is held, and what a standby promised before is kept as if it had been promised just now. */
export function openLease(options: LeaseOptions): LeaseState {
  const { terms, site, self, peer, nowMs, role, history, epoch, statement, enabledBy, decidedBy } = options;
  return {
    terms,
    site,
    self,
    peer,
    role,
    history,
    epoch,
    statement,
    enabledBy,
    decidedBy,
    link: 'down',
    nonce: nowMs,
    outstanding: undefined,
    nextSendMs: nowMs,
    record: undefined,
    heardAtMs: undefined,
    isRefused: false,
    grantedUntilMs: 0,
    promisedUntilMs: 0,
    isAlone: false,
    peerAsk: { nonce: nowMs, sentAtMs: 0 },
    nextPeerAskMs: nowMs,
    wish: { inSync: false, version: 0 },
    recordedVersion: -1,
    isReady: false,
    position: { seq: 0, peerSeq: 0 },
    leaseMs: terms.leaseMs,
    claim: undefined,
    restsUntilMs: 0,
    givenUntilMs: role === 'primary' ? 0 : nowMs + grantorSpanMs(terms.leaseMs),
    aliveAtMs: nowMs,
  };
}
