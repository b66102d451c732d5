import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { PairMode } from '@bascule/protocol/api/failover.ts';
import { PeerGate, QUEUE_MAX } from './peer-gate.ts';

function openGate(mode: PairMode, beforeAlone: () => Promise<void> = async () => undefined): PeerGate {
  const log = createLog('test', 'silent');
  const gate = new PeerGate({ mode: () => mode, beforeAlone, inSyncChanged: () => undefined, log });
  gate.acked(0, 0);
  assert.equal(gate.isInSync, true);
  return gate;
}

test('who loses the site tells nobody of what the peer has not confirmed, and lets nothing follow from it', async () => {
  const gate = openGate('sync');
  const effects: string[] = [];
  gate.onCommitted(1, true);
  gate.holdEffects(1, true, () => effects.push('happened'));
  const reply = gate.beforeReply();
  gate.abandon();
  await assert.rejects(reply, { code: 'FAILOVER_NOT_CONFIRMED' });
  assert.deepEqual(effects, []);
});

test('in sync mode a break lets replies go when the witness knows that the peer is behind, and not before', async () => {
  const recorded = Promise.withResolvers<void>();
  const gate = openGate('sync', () => recorded.promise);
  const order: string[] = [];
  gate.onCommitted(1, true);
  const reply = gate.beforeReply().then(() => order.push('replied'));
  gate.reset();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, []);
  recorded.resolve();
  await reply;
  assert.deepEqual([order, gate.isInSync], [['replied'], false]);
});

test('so many wait for the peer, and no more', () => {
  const gate = openGate('sync');
  let run = 0;
  for (let seq = 1; seq <= QUEUE_MAX; seq += 1) {
    assert.equal(gate.isFull, false);
    gate.holdEffects(seq, true, () => (run += 1));
  }
  assert.equal(gate.isFull, true);
  gate.acked(1, QUEUE_MAX);
  assert.deepEqual([gate.isFull, run], [false, 1]);
  gate.close();
});

test('a backup that was set back has less than before, and nothing counts as confirmed that it lacks', async () => {
  const gate = openGate('async');
  gate.onCommitted(10, true);
  gate.acked(10, 10);
  gate.gone();
  gate.begun(5, 10);
  assert.deepEqual([gate.isInSync, gate.ackedSeq], [false, 5]);
  assert.equal(await gate.whenAcked(10, 20), false);
  gate.acked(10, 10);
  assert.equal(gate.isInSync, true);
  // Its link was replaced by a new one before the old one was seen to be gone.
  gate.begun(5, 10);
  assert.deepEqual([gate.isInSync, gate.ackedSeq], [false, 5]);
});
