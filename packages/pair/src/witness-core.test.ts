import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { EpochStatement } from '@bascule/protocol/pair-link.ts';
import type { FromWitness } from '@bascule/protocol/witness-link.ts';
import { CLAIM_HEARD_LIMIT_MS, grantorSpanMs } from './lease-terms.ts';
import { openWitnessSite, stepWitness, WITNESS_RECORD_FORMAT, type WitnessMessage, type WitnessSite } from './witness-core.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const LEASE_MS = 3000;
const SPAN_MS = grantorSpanMs(LEASE_MS);

class Site {
  state: WitnessSite;
  kept = 0;
  #answer: FromWitness | undefined;
  constructor() {
    const members = [
      { key: A, name: 'A' },
      { key: B, name: 'B' },
    ];
    this.state = openWitnessSite({ format: WITNESS_RECORD_FORMAT, site: 's', identity: '', members, lease: null }, 0);
  }

  send(nowMs: number, key: string, message: WitnessMessage, connection = 1): string | undefined {
    const about = message.kind === 'lease' ? { holder: key, epoch: message.epoch, history: message.history } : undefined;
    const { state, effects } = stepWitness(this.state, {
      nowMs,
      key,
      connection,
      message,
      statement: about as EpochStatement | undefined,
    });
    this.state = state;
    const kinds = effects.map(({ kind }) => kind);
    if (kinds.includes('keep')) {
      this.kept += 1;
      strictEqual(kinds.indexOf('keep'), 0, 'written before it is answered');
    }
    this.#answer = effects.find((effect) => effect.kind === 'answer')?.answer;
    return this.#answer?.outcome;
  }

  /** As it was last answered. */
  record(): FromWitness['record'] | undefined {
    return this.#answer?.record;
  }

  lease(
    nowMs: number,
    key: string,
    epoch: number,
    more: { peerInSync?: boolean; forcedBy?: string; seq?: number; peerSeq?: number; connection?: number } = {},
  ) {
    const { peerInSync = false, seq = 5, peerSeq = 5, connection, forcedBy } = more;
    const statement = { statement: '', signature: '' };
    const message = {
      kind: 'lease',
      nonce: 1,
      site: 's',
      history: 'h',
      epoch,
      statement,
      leaseMs: LEASE_MS,
      peerInSync,
      peer: key === A ? B : A,
      seq,
      peerSeq,
    } as const;
    return this.send(nowMs, key, forcedBy === undefined ? message : { ...message, forcedBy }, connection);
  }
}

test('a renewal that changes nothing is not written; who is in sync is, before the answer', () => {
  const site = new Site();
  strictEqual(site.lease(0, A, 1), 'granted');
  strictEqual(site.kept, 1);
  strictEqual(site.lease(500, A, 1), 'granted');
  strictEqual(site.kept, 1);
  strictEqual(site.lease(1000, A, 1, { peerInSync: true }), 'granted');
  deepStrictEqual([site.kept, site.state.record.lease?.inSync], [2, [A, B]]);
});

test('another gets it at the end of the lease and not before, and only in sync', () => {
  const site = new Site();
  site.lease(0, A, 1, { peerInSync: true, peerSeq: 7, seq: 9 });
  strictEqual(site.lease(SPAN_MS - 1, B, 2, { seq: 7 }), 'held-by-other');
  strictEqual(site.lease(SPAN_MS, B, 2, { seq: 6 }), 'out-of-sync', 'a restored copy lacks what the holder knew that it had');
  strictEqual(site.lease(SPAN_MS, B, 1, { seq: 7 }), 'epoch-behind');
  strictEqual(site.lease(SPAN_MS, B, 2, { seq: 7 }), 'granted');
  strictEqual(site.lease(SPAN_MS + 1, A, 1), 'epoch-behind');
  strictEqual(site.lease(9 * SPAN_MS, A, 3), 'out-of-sync');
});

test('after its end the holder itself goes on, unless it has less than it had', () => {
  const site = new Site();
  site.lease(0, A, 1, { seq: 9 });
  strictEqual(site.lease(9 * SPAN_MS, A, 1, { seq: 8 }), 'out-of-sync');
  strictEqual(site.lease(9 * SPAN_MS, A, 1, { seq: 9 }), 'granted');
});

test('a person overrules what is on record, but not a lease that runs: that is renewed no more', () => {
  const site = new Site();
  site.lease(0, A, 1);
  strictEqual(site.lease(100, B, 2, { forcedBy: 'Ada' }), 'held-by-other');
  strictEqual(site.lease(500, A, 1), 'held-by-other');
  strictEqual(site.lease(SPAN_MS, B, 2, { forcedBy: 'Ada' }), 'granted');
  strictEqual(site.lease(SPAN_MS + 1, A, 1), 'epoch-behind');
});

test('whose word it was stays on record for as long as that epoch', () => {
  const site = new Site();
  const word = () => site.state.record.lease?.forcedBy;
  site.lease(0, A, 1, { peerInSync: true });
  site.lease(SPAN_MS, B, 2, { forcedBy: 'Ada' });
  deepStrictEqual([word(), site.record()?.forcedBy], ['Ada', 'Ada']);
  site.lease(SPAN_MS + 500, B, 2, { peerInSync: true });
  strictEqual(word(), 'Ada');
  strictEqual(site.lease(3 * SPAN_MS, A, 3), 'granted');
  deepStrictEqual([word(), site.record()?.forcedBy], [undefined, undefined]);
});

test('a claim that is not followed up is forgotten', () => {
  const site = new Site();
  site.lease(0, A, 1);
  site.lease(100, B, 2, { forcedBy: 'Ada' });
  strictEqual(site.lease(100 + CLAIM_HEARD_LIMIT_MS, A, 1), 'granted');
});

test('a lease that is given up is free at once, for who is in sync', () => {
  const site = new Site();
  site.lease(0, A, 1, { peerInSync: true });
  strictEqual(
    site.send(10, B, { kind: 'release', nonce: 2, site: 's', epoch: 1, peerInSync: true, peer: A, seq: 9, peerSeq: 9 }),
    'epoch-behind',
    'not the holder',
  );
  strictEqual(
    site.send(10, A, { kind: 'release', nonce: 2, site: 's', epoch: 1, peerInSync: true, peer: B, seq: 9, peerSeq: 9 }),
    'answer',
  );
  strictEqual(site.lease(11, B, 2, { seq: 9 }), 'granted');
});

test('a witness that was started again counts the whole lease anew', () => {
  const site = new Site();
  site.lease(0, A, 1, { peerInSync: true });
  site.state = openWitnessSite(site.state.record, 100_000);
  strictEqual(site.lease(100_000 + SPAN_MS - 1, B, 2), 'held-by-other');
  strictEqual(site.lease(100_000 + SPAN_MS, B, 2), 'granted');
});

test('what an older connection still carries counts no more', () => {
  const site = new Site();
  site.lease(0, A, 1, { connection: 2 });
  strictEqual(site.lease(1, A, 1, { connection: 1, peerInSync: true }), undefined);
  deepStrictEqual(site.state.record.lease?.inSync, [A]);
});

test('a key that is not on record, and a statement about somebody else, get nothing', () => {
  const site = new Site();
  strictEqual(site.lease(0, 'c'.repeat(64), 1), 'not-enrolled');
  const statement = { statement: '', signature: '' };
  const message = {
    kind: 'lease',
    nonce: 1,
    site: 's',
    history: 'h',
    epoch: 1,
    statement,
    leaseMs: LEASE_MS,
    peerInSync: false,
    peer: B,
    seq: 0,
    peerSeq: 0,
  } as const;
  const { effects } = stepWitness(site.state, { nowMs: 0, key: A, connection: 1, message, statement: undefined });
  ok(effects.length === 1 && effects[0]?.kind === 'answer' && effects[0].answer.outcome === 'malformed');
});
