import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelaySettling } from './relay-settling.ts';

const said = (exposedBytes: number) => ({
  kind: 'pair-copy' as const,
  connected: true,
  recordingBytesLeft: 0,
  fileBytesLeft: 0,
  bytesPerSecond: 0,
  completedAtMs: null,
  exposedBytes,
});

test('a planned swap waits until no output is on one side alone; what the relay said before it was told does not count', async () => {
  let copy = said(0);
  const orders: boolean[] = [];
  const settling: RelaySettling = new RelaySettling({ copy: () => copy, changed: () => orders.push(settling.isOn) });
  let isOver = false;
  const waiting = settling.begin().then(() => (isOver = true));
  assert.deepEqual(orders, [true], 'the relay is told first');
  copy = said(700);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(isOver, false);
  copy = said(0);
  await waiting;
  settling.end();
  assert.deepEqual(orders, [true, false]);
});

test('what the relay said before it heard of the order, and what comes after it was given, does not count', async () => {
  let copy = { ...said(0), waits: 'async' as 'async' | 'sync' };
  const settling = new RelaySettling({ copy: () => copy, changed: () => undefined });
  let isOver = false;
  const waiting = settling.begin().then(() => (isOver = true));
  copy = { ...copy };
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(isOver, false);
  copy = { ...copy, waits: 'sync' };
  await waiting;
});

test('a relay that copies nothing, says nothing, or does not come to an end', async () => {
  const none = new RelaySettling({ copy: () => undefined, changed: () => assert.fail('nobody is told') });
  assert.equal(await none.begin(), 0);
  const settling = new RelaySettling({ copy: () => said(1), changed: () => undefined, limitMs: 60 });
  assert.equal(await settling.begin(), 1, 'it says what would be missing');
  assert.ok(settling.isOn);
  const silent = said(1);
  assert.equal(await new RelaySettling({ copy: () => silent, changed: () => undefined, limitMs: 60 }).begin(), 0);
});
