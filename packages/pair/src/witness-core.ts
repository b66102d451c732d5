/**
 * The core of the witness, for one site: who holds the lease, who is in sync, until when. Pure: (state, input) → (state, effects). The shell writes the record down, durably,
 * before it sends the answer that comes with it (architecture 8; docs/decisions/0178).
 */
import { z } from 'zod';
import type { EpochStatement } from '@bascule/protocol/pair-link.ts';
import { sha256Hex } from '@bascule/protocol/text.ts';
import { WITNESS_MEMBERS_MAX, type FromWitness, type ToWitness } from '@bascule/protocol/witness-link.ts';
import { CLAIM_HEARD_LIMIT_MS, grantorSpanMs } from './lease-terms.ts';

export const WITNESS_RECORD_FORMAT = 'bascule-witness-record/1';
/** The newest change that counts is written down with everything else, and otherwise this often: without it the record is still true, only less strict. */
const SEQ_KEPT_EVERY_MS = 10_000;
const HEARD_MAX_MS = 24 * 60 * 60_000;

/** What survives the witness' end. */
export const witnessRecord = z.object({
  format: z.literal(WITNESS_RECORD_FORMAT),
  site: z.string().max(64),
  /** PEM of the site identity. */
  identity: z.string().max(6144),
  members: z.array(z.object({ key: sha256Hex, name: z.string().max(100) })).max(WITNESS_MEMBERS_MAX),
  /** Null: nobody has had the lease yet. */
  lease: z
    .object({
      history: z.string().max(64),
      epoch: z.number().int().positive(),
      holder: sha256Hex,
      inSync: z.array(sha256Hex).max(WITNESS_MEMBERS_MAX),
      seq: z.number().int().nonnegative(),
      peerSeq: z.number().int().nonnegative(),
      /** By whose word the holder has this epoch; absent: by what was on record. */
      forcedBy: z.string().max(200).optional(),
      /** The longest that was granted and may still run: what a witness that starts waits. */
      leaseMs: z.number().int().nonnegative(),
    })
    .nullable(),
});
export type WitnessSiteRecord = z.infer<typeof witnessRecord>;
type LeaseRecord = NonNullable<WitnessSiteRecord['lease']>;

export interface WitnessSite {
  readonly record: WitnessSiteRecord;
  /** Instants of the witness' boot clock. */
  readonly endsAtMs: number;
  readonly seqKeptAtMs: number;
  /** A named person takes over: until it is granted, or not heard of for a while, the holder's lease is not renewed. */
  readonly claim: { key: string; epoch: number; heardAtMs: number } | undefined;
  /** By key: when it was last heard, and on which connection. Connections are numbered as they are opened. */
  readonly heard: Readonly<Record<string, { atMs: number; connection: number }>>;
}

export type WitnessMessage = Exclude<ToWitness, { kind: 'enrol' }>;
export interface WitnessInput {
  nowMs: number;
  /** SHA-256 of the public key that the connection proved. */
  key: string;
  connection: number;
  message: WitnessMessage;
  /** What the statement of a `lease` says, if the site identity signed it. */
  statement: EpochStatement | undefined;
}

export type WitnessEffect =
  /** Durable before the answer is sent. If that fails: when it is needed, the former state stays and nothing is answered. */
  { kind: 'keep'; record: WitnessSiteRecord; isNeeded: boolean } | { kind: 'answer'; answer: FromWitness };

export interface WitnessStep {
  state: WitnessSite;
  effects: WitnessEffect[];
}

/** The state after a start: a lease that is on record is taken to have been granted just now. */
export function openWitnessSite(record: WitnessSiteRecord, nowMs: number): WitnessSite {
  const endsAtMs = record.lease === null ? nowMs : nowMs + grantorSpanMs(record.lease.leaseMs);
  return { record, endsAtMs, seqKeptAtMs: nowMs, claim: undefined, heard: {} };
}

/** One message of an enrolled or unknown key. A message of an older connection than the key's newest is left without an answer: it may have been under way for long. */
export function stepWitness(state: WitnessSite, input: WitnessInput): WitnessStep {
  const { nowMs, key, connection, message } = input;
  if (!state.record.members.some((member) => member.key === key)) return answer(state, input, 'not-enrolled');
  if (connection < (state.heard[key]?.connection ?? 0)) return { state, effects: [] };
  const heard = { ...state, heard: { ...state.heard, [key]: { atMs: nowMs, connection } } };
  if (message.kind === 'ask') return answer(heard, input, 'answer');
  return message.kind === 'release' ? release(heard, input, message) : lease(heard, input, message);
}

/** What a key may know: of those on record, when each was heard. */
function answer(state: WitnessSite, { nowMs, message }: WitnessInput, outcome: FromWitness['outcome']): WitnessStep {
  const record = outcome === 'not-enrolled' ? null : answeredRecord(state, nowMs);
  return { state, effects: [{ kind: 'answer', answer: { nonce: message.nonce, outcome, record } }] };
}

function answeredRecord({ record, endsAtMs, heard }: WitnessSite, nowMs: number): FromWitness['record'] {
  if (record.lease === null) return null;
  const { history, epoch, holder, inSync, seq, peerSeq, forcedBy } = record.lease;
  const holderName = record.members.find(({ key }) => key === holder)?.name ?? '';
  const seen = record.members.flatMap(({ key, name }) => {
    const atMs = heard[key]?.atMs;
    return atMs === undefined ? [] : [{ key, name, agoMs: Math.min(HEARD_MAX_MS, Math.max(0, nowMs - atMs)) }];
  });
  const leftMs = Math.max(0, endsAtMs - nowMs);
  return {
    history,
    epoch,
    holder,
    holderName,
    inSync,
    seq,
    peerSeq,
    ...(forcedBy !== undefined && { forcedBy }),
    leftMs,
    heard: seen,
  };
}

type Lease = Extract<WitnessMessage, { kind: 'lease' }>;

function lease(state: WitnessSite, input: WitnessInput, message: Lease): WitnessStep {
  const { key, statement } = input;
  const isStated =
    statement?.holder === key &&
    statement.epoch === message.epoch &&
    statement.history === message.history &&
    message.peer !== key;
  if (!isStated) return answer(state, input, 'malformed');
  const outcome = decide(state, input, message);
  if (outcome === 'granted') return grant(state, input, message);
  if (message.forcedBy === undefined || outcome !== 'held-by-other') return answer(state, input, outcome);
  return answer({ ...state, claim: { key, epoch: message.epoch, heardAtMs: input.nowMs } }, input, outcome);
}

function decide({ record, endsAtMs, claim }: WitnessSite, { key, nowMs }: WitnessInput, message: Lease): FromWitness['outcome'] {
  const known = record.lease;
  if (known === null) return 'granted';
  if (message.epoch < known.epoch) return 'epoch-behind';
  if (known.holder === key) {
    const isClaimed = claim !== undefined && claim.key !== key && nowMs - claim.heardAtMs < CLAIM_HEARD_LIMIT_MS;
    if (isClaimed) return 'held-by-other';
    // A holder that has less than it had was restored: it goes on by a person's word alone.
    return message.forcedBy !== undefined || message.seq >= known.seq || message.history !== known.history
      ? 'granted'
      : 'out-of-sync';
  }
  if (message.epoch === known.epoch) return 'epoch-behind';
  if (endsAtMs > nowMs) return 'held-by-other';
  if (message.forcedBy !== undefined) return 'granted';
  const isInSync = message.history === known.history && known.inSync.includes(key) && message.seq >= known.peerSeq;
  return isInSync ? 'granted' : 'out-of-sync';
}

function grant(state: WitnessSite, input: WitnessInput, message: Lease): WitnessStep {
  const { key, nowMs } = input;
  const { record } = state;
  const endsAtMs = Math.max(state.endsAtMs, nowMs + grantorSpanMs(message.leaseMs));
  const { lease: known } = record;
  const isSameEpoch = known?.epoch === message.epoch && known.holder === key;
  const forcedBy = message.forcedBy ?? (isSameEpoch ? known.forcedBy : undefined);
  const next: LeaseRecord = {
    history: message.history,
    epoch: message.epoch,
    holder: key,
    inSync: message.peerInSync ? [key, message.peer] : [key],
    seq: message.seq,
    peerSeq: message.peerInSync ? message.peerSeq : 0,
    // A longer lease of before may still run.
    leaseMs:
      grantorSpanMs(message.leaseMs) >= endsAtMs - nowMs ? message.leaseMs : Math.max(message.leaseMs, known?.leaseMs ?? 0),
    ...(forcedBy !== undefined && { forcedBy }),
  };
  return keep({ ...state, endsAtMs, claim: undefined }, next, input, 'granted');
}

function release(state: WitnessSite, input: WitnessInput, message: Extract<WitnessMessage, { kind: 'release' }>): WitnessStep {
  const known = state.record.lease;
  if (known === null) return answer(state, input, 'answer');
  if (known.holder !== input.key || known.epoch !== message.epoch) return answer(state, input, 'epoch-behind');
  const inSync = message.peerInSync ? [input.key, message.peer] : [input.key];
  return keep(
    { ...state, endsAtMs: input.nowMs },
    { ...known, inSync, seq: message.seq, peerSeq: message.peerInSync ? message.peerSeq : 0, leaseMs: 0 },
    input,
    'answer',
  );
}

/** Answers; before it, what changed is kept. A renewal that changes nothing needs no writing: a witness that starts counts the whole lease anew. */
function keep(state: WitnessSite, lease: LeaseRecord, input: WitnessInput, outcome: FromWitness['outcome']): WitnessStep {
  const before = state.record.lease;
  const record = { ...state.record, lease };
  const isDue =
    before !== null &&
    (lease.seq !== before.seq || lease.peerSeq !== before.peerSeq) &&
    input.nowMs - state.seqKeptAtMs >= SEQ_KEPT_EVERY_MS;
  const isNeeded = !isKept(before, lease);
  if (!isDue && !isNeeded) return answer({ ...state, record }, input, outcome);
  const answered = answer({ ...state, record, seqKeptAtMs: input.nowMs }, input, outcome);
  return { state: answered.state, effects: [{ kind: 'keep', record, isNeeded }, ...answered.effects] };
}

function isKept(before: LeaseRecord | null, after: LeaseRecord): boolean {
  if (before === null) return false;
  const isSame = before.history === after.history && before.epoch === after.epoch && before.holder === after.holder;
  return isSame && before.leaseMs === after.leaseMs && before.inSync.join() === after.inSync.join();
}
