import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { FromWitness } from '@bascule/protocol/witness-link.ts';
import { dueMs, heldUntilMs, stepLease } from './lease-core.ts';
import {
  openLease,
  type LeaseEffect,
  type LeaseInput,
  type LeaseRequest,
  type LeaseState,
  type WitnessRecord,
} from './lease-state.ts';
import { grantorSpanMs, holderSpanMs, LEASE_TERMS } from './lease-terms.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const STATEMENT = { statement: 'x', signature: 'y' };
const { leaseMs, aliveLimitMs, answerLimitMs } = LEASE_TERMS;
const SPAN_MS = holderSpanMs(leaseMs);

type Heard = LeaseInput extends infer I ? (I extends LeaseInput ? Omit<I, 'nowMs'> : never) : never;

/** A core, and what it asked the witness last. */
class Core {
  state: LeaseState;
  sent: LeaseRequest | undefined;
  effects: LeaseEffect[] = [];
  constructor(role: 'primary' | 'standby', nowMs = 0) {
    const statement = role === 'primary' ? STATEMENT : undefined;
    this.state = openLease({
      terms: LEASE_TERMS,
      site: 's',
      self: A,
      peer: B,
      role,
      history: 'h',
      epoch: 1,
      statement,
      enabledBy: undefined,
      nowMs,
    });
  }

  hear(nowMs: number, heard: Heard): this {
    const step = stepLease(this.state, { ...heard, nowMs } as LeaseInput);
    this.state = step.state;
    this.effects = step.effects;
    this.sent = step.effects.findLast((effect) => effect.kind === 'send')?.request ?? this.sent;
    return this;
  }

  tick(nowMs: number, aliveAtMs = nowMs): this {
    return this.hear(nowMs, { kind: 'tick', aliveAtMs, position: { seq: 5, peerSeq: 5 } });
  }

  answer(nowMs: number, outcome: FromWitness['outcome'], record: Partial<WitnessRecord> = {}): this {
    const { nonce } = this.sent!;
    const whole = {
      history: 'h',
      epoch: 1,
      holder: A,
      holderName: '',
      inSync: [A],
      seq: 5,
      peerSeq: 0,
      leftMs: 3000,
      heard: [],
      ...record,
    };
    return this.hear(nowMs, { kind: 'answer', answer: { nonce, outcome, record: whole } });
  }

  /** A primary whose first lease was sent at 10 and granted at 20. */
  static primary(): Core {
    return new Core('primary').hear(0, { kind: 'link-up' }).answer(10, 'answer').answer(20, 'granted');
  }

  kinds(): string[] {
    return this.effects.map(({ kind }) => kind);
  }
}

test('on a new connection nothing but a question is sent before it was answered', () => {
  const core = new Core('primary').hear(0, { kind: 'link-up' });
  strictEqual(core.sent?.kind, 'ask');
  core.tick(500).hear(600, { kind: 'wish', inSync: true, version: 1 });
  strictEqual(core.sent?.kind, 'ask');
  core.answer(700, 'answer');
  strictEqual(core.sent?.kind, 'lease');
});

test('the holder counts from sending; with the peer on record as behind it holds until further notice', () => {
  const core = Core.primary();
  strictEqual(heldUntilMs(core.state), Infinity);
  core.hear(100, { kind: 'wish', inSync: true, version: 1 });
  ok(core.sent?.kind === 'lease' && core.sent.peerInSync);
  strictEqual(heldUntilMs(core.state), 10 + SPAN_MS, 'from the moment it is said');
  core.answer(150, 'granted', { inSync: [A, B] });
  strictEqual(heldUntilMs(core.state), 100 + SPAN_MS);
  core.hear(200, { kind: 'link-down' }).tick(5000);
  strictEqual(heldUntilMs(core.state), 100 + SPAN_MS, 'nothing prolongs it');
});

test("'in sync' is not said while there is no lease that lasts until it is answered", () => {
  const core = Core.primary().hear(100, { kind: 'link-down' }).hear(200, { kind: 'wish', inSync: true, version: 1 });
  core
    .hear(60_000, { kind: 'tick', aliveAtMs: 60_000, position: { seq: 5, peerSeq: 5 } })
    .hear(60_000, { kind: 'link-up' })
    .answer(60_010, 'answer');
  ok(core.sent?.kind === 'lease' && !core.sent.peerInSync);
  core.answer(60_020, 'granted');
  ok(core.sent?.kind === 'lease' && core.sent.peerInSync);
});

test('the peer counts as recorded behind only by an answer to that very word', () => {
  const core = Core.primary();
  strictEqual(core.state.recordedVersion, 0);
  core.hear(100, { kind: 'wish', inSync: true, version: 1 });
  strictEqual(core.state.recordedVersion, -1, 'from sending');
  core.hear(110, { kind: 'wish', inSync: false, version: 2 }).answer(120, 'granted', { inSync: [A, B] });
  strictEqual(core.state.recordedVersion, -1);
  ok(core.sent?.kind === 'lease' && !core.sent.peerInSync, 'said as soon as the word before it was answered');
  core.answer(130, 'granted');
  strictEqual(core.state.recordedVersion, 2);
});

test('nothing is asked for while main stands still', () => {
  const core = Core.primary();
  const { nonce } = core.sent!;
  core.tick(10_000, 10_000 - aliveLimitMs - 1);
  deepStrictEqual([core.sent?.nonce, core.effects], [nonce, []]);
  core.tick(10_010);
  strictEqual(core.sent?.nonce, nonce + 1);
});

test('an answer that does not come in time ends the connection', () => {
  const core = Core.primary();
  core.tick(600).tick(600 + answerLimitMs);
  deepStrictEqual(core.kinds(), ['drop-link']);
  core.answer(2000, 'granted');
  strictEqual(core.state.outstanding, undefined);
  ok(dueMs(core.state) > 0);
});

test('a higher epoch on record: nothing is held any more', () => {
  const core = Core.primary().tick(600).answer(610, 'epoch-behind', { epoch: 2, holder: B });
  deepStrictEqual(core.kinds(), ['lost']);
  strictEqual(heldUntilMs(core.state), 0);
});

function standby(): Core {
  const core = new Core('standby', -10_000).hear(-10_000, { kind: 'ready', isReady: true });
  return core.tick(0).hear(0, { kind: 'link-up' });
}
const gone = { holder: B, inSync: [B, A], leftMs: 0 };

test('a standby that is on record as in sync takes over when the lease has ended', () => {
  const core = standby().answer(10, 'answer', { ...gone, leftMs: 400 });
  deepStrictEqual(core.kinds(), []);
  core.tick(430).answer(440, 'answer', gone);
  deepStrictEqual(core.effects, [{ kind: 'sign', epoch: 2 }]);
  core.hear(450, { kind: 'signed', epoch: 2, statement: STATEMENT });
  ok(core.sent?.kind === 'lease' && core.sent.epoch === 2 && core.sent.forcedBy === undefined);
  core.answer(460, 'granted', { epoch: 2 });
  deepStrictEqual(core.kinds(), ['won']);
  strictEqual(heldUntilMs(core.state), Infinity);
});

const HINDRANCES: [why: string, record: Partial<WitnessRecord>, change: Partial<LeaseState>][] = [
  ['it is not on record as in sync', { inSync: [B] }, {}],
  ['it has less than the holder knew', { peerSeq: 6 }, {}],
  ['another history is on record', { history: 'other' }, {}],
  ['its copy is being replaced', {}, { isReady: false }],
  ['it has just given the lease up itself', {}, { restsUntilMs: 100_000 }],
  ['it promised the holder not to', {}, { givenUntilMs: 100_000 }],
];
for (const [why, record, change] of HINDRANCES) {
  test(`a standby does not take over by itself while ${why}`, () => {
    const core = standby();
    core.state = { ...core.state, ...change };
    core.answer(10, 'answer', { ...gone, ...record });
    deepStrictEqual(core.kinds(), []);
  });
}

test('a person takes over although the lease is held; the witness renews it no more', () => {
  const core = standby().answer(5, 'answer', { ...gone, inSync: [B], leftMs: 3000 });
  core.hear(10, { kind: 'claim', forcedBy: 'Ada', lifeMs: 20_000 }).answer(20, 'answer', { ...gone, inSync: [B], leftMs: 3000 });
  deepStrictEqual(core.kinds(), ['sign']);
  core.hear(30, { kind: 'signed', epoch: 2, statement: STATEMENT });
  ok(core.sent?.kind === 'lease' && core.sent.forcedBy === 'Ada');
  core.answer(40, 'held-by-other', { ...gone, leftMs: 100 }).tick(151);
  ok(core.sent?.kind === 'lease' && core.state.outstanding !== undefined, 'again when it ends');
  core.answer(160, 'granted', { epoch: 2 });
  deepStrictEqual(core.kinds(), ['won']);
});

test('what a person was granted, and this side did not hear of before it ended, is taken in their name', () => {
  const core = standby().answer(10, 'answer', { epoch: 2, holder: A, inSync: [A], leftMs: 0, forcedBy: 'Ada' });
  core.hear(30, { kind: 'signed', epoch: 2, statement: STATEMENT });
  ok(core.sent?.kind === 'lease' && core.sent.epoch === 2 && core.sent.forcedBy === 'Ada');
  core.answer(40, 'granted', { epoch: 2, forcedBy: 'Ada' });
  const [won] = core.effects;
  ok(won?.kind === 'won' && won.forcedBy === 'Ada' && !won.isOrdered);
});

test('a promise holds the primary while the witness is away, and is kept', () => {
  const primary = Core.primary()
    .hear(100, { kind: 'wish', inSync: true, version: 1 })
    .answer(110, 'granted', { inSync: [A, B] });
  primary.hear(120, { kind: 'link-down' }).tick(3000);
  const asked = primary.effects.find((effect) => effect.kind === 'ask-peer')!;
  const other = standby()
    .hear(2000, { kind: 'link-down' })
    .tick(2990)
    .hear(3000, { kind: 'link-up' })
    .hear(3001, { kind: 'peer-asks', nonce: asked.nonce, epoch: 1, leaseMs });
  deepStrictEqual(other.effects, [{ kind: 'answer-peer', nonce: asked.nonce, isPromised: true }]);
  strictEqual(other.state.givenUntilMs, 3001 + grantorSpanMs(leaseMs));
  primary.hear(3002, { kind: 'peer-answers', nonce: asked.nonce, isPromised: true });
  strictEqual(heldUntilMs(primary.state), 3000 + SPAN_MS);
  primary.hear(3003, { kind: 'wish', inSync: false, version: 2 });
  ok(heldUntilMs(primary.state) <= 110 + SPAN_MS, 'not while the record still calls the peer in sync');
  other.answer(3010, 'answer', gone);
  deepStrictEqual(other.kinds(), [], 'it waits for what it promised');
  // The holder hands over: the promise has done its work.
  other.hear(3020, { kind: 'claim', forcedBy: undefined, lifeMs: 20_000 }).answer(3030, 'answer', gone);
  deepStrictEqual(other.kinds(), ['sign']);
});

test('a stale answer of the peer prolongs nothing', () => {
  const primary = Core.primary()
    .hear(100, { kind: 'wish', inSync: true, version: 1 })
    .answer(110, 'granted', { inSync: [A, B] });
  primary.tick(700);
  const asked = primary.effects.find((effect) => effect.kind === 'ask-peer')!;
  primary.tick(1300).hear(1310, { kind: 'peer-answers', nonce: asked.nonce, isPromised: true });
  strictEqual(primary.state.promisedUntilMs, 0);
});

test('who gives the lease up holds nothing from that moment, also when the witness cannot be told', () => {
  const core = Core.primary().hear(100, { kind: 'release', peerInSync: true });
  deepStrictEqual([core.sent?.kind, heldUntilMs(core.state)], ['release', 0]);
  core.hear(110, { kind: 'link-down' });
  deepStrictEqual(core.kinds(), ['released']);
});

test('who became primary while the lease was off overrules a record of an older epoch by the word of whoever decided it, and no other record', () => {
  const first = (epoch: number) =>
    new Core('primary')
      .hear(0, { kind: 'role', role: 'primary', history: 'h', epoch: 2, statement: STATEMENT, decidedBy: 'Ada' })
      .hear(0, { kind: 'link-up' })
      .answer(10, 'answer', { epoch, holder: epoch === 1 ? B : A, inSync: [B], leftMs: 0 }).sent;
  const [older, same] = [first(1), first(2)];
  ok(older?.kind === 'lease' && older.epoch === 2 && older.forcedBy === 'Ada');
  ok(same?.kind === 'lease' && same.forcedBy === undefined, 'it may have been set back');
});
