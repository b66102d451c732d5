/** Main ⇄ the thread that keeps the lease, and the memory they share. */
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { FromWitness } from '@bascule/protocol/witness-link.ts';
import type { LeaseTerms } from '@bascule/pair/lease-terms.ts';
import type { WitnessRecord } from '@bascule/pair/lease-state.ts';
import type { LeaseRoleFacts } from './lease-options.ts';
import type { WitnessAccess } from './witness-dial.ts';

/** Cells of the shared memory: 64-bit integers, instants by the boot clock. */
export const CELLS = {
  /** Until when this side may write; 0: not at all; HELD_FOR_EVER. Written by the thread. */
  heldUntil: 0,
  /** Version of the word 'the peer is behind' that is on record; -1: none. Written by the thread. */
  recordedVersion: 1,
  /** Main's loop was last seen to turn. Written by main, as what follows. */
  aliveAt: 2,
  seq: 3,
  peerSeq: 4,
} as const;
export const CELLS_BYTES = 5 * BigInt64Array.BYTES_PER_ELEMENT;
export const HELD_FOR_EVER = 2n ** 62n;

export interface LeaseThreadData extends LeaseRoleFacts {
  cells: SharedArrayBuffer;
  access: WitnessAccess;
  terms: LeaseTerms;
  site: string;
  self: string;
  peer: string;
  enabledBy: string | undefined;
}

export type ToLeaseThread =
  | ({ kind: 'role' } & LeaseRoleFacts)
  | { kind: 'wish'; inSync: boolean; version: number }
  | { kind: 'ready'; isReady: boolean }
  | { kind: 'signed'; epoch: number; statement: SignedStatement }
  | { kind: 'claim'; forcedBy: string | undefined; lifeMs: number }
  | { kind: 'release'; peerInSync: boolean }
  | { kind: 'lease-length'; leaseMs: number }
  | { kind: 'peer-asks'; nonce: number; epoch: number; leaseMs: number }
  | { kind: 'peer-answers'; nonce: number; isPromised: boolean }
  | { kind: 'close' };

export interface WonLease {
  epoch: number;
  statement: SignedStatement;
  forcedBy: string | undefined;
  /** What the witness had on record when it granted. */
  record: WitnessRecord;
}

export type FromLeaseThread =
  | { kind: 'sign'; epoch: number }
  | { kind: 'ask-peer'; nonce: number; epoch: number; leaseMs: number }
  | { kind: 'answer-peer'; nonce: number; isPromised: boolean }
  | ({ kind: 'won'; isOrdered: boolean } & WonLease)
  | { kind: 'lost'; record: WitnessRecord }
  | { kind: 'claim-failed'; outcome: FromWitness['outcome'] | 'no-witness' }
  | { kind: 'released' }
  | { kind: 'recorded' }
  /** After each answer, and when the link comes or goes. */
  | {
      kind: 'status';
      link: 'down' | 'greeting' | 'ready';
      isRefused: boolean;
      isAnswer: boolean;
      record: WitnessRecord | undefined;
    };
