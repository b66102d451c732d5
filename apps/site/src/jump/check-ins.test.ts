import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckIns, CHECK_IN_GRACE_MS } from './check-ins.ts';

function opened(context: { after(work: () => void): void }) {
  const clock = { nowMs: 1000 };
  const wanted = new Set<string>();
  const ended: string[] = [];
  const checkIns = new CheckIns({
    isWanted: (clientId) => wanted.has(clientId),
    end: (clientId) => void ended.push(clientId),
    now: () => clock.nowMs,
  });
  context.after(() => checkIns.close());
  const pass = (ms: number) => {
    clock.nowMs += ms;
    checkIns.check();
  };
  return { checkIns, wanted, ended, pass };
}

void test('a passive client with nothing to do is let go after the grace, and once (B107)', (context) => {
  const { checkIns, ended, pass } = opened(context);
  checkIns.begin('jc_1');
  pass(CHECK_IN_GRACE_MS - 1);
  assert.deepEqual(ended, []);
  pass(1);
  pass(CHECK_IN_GRACE_MS * 3);
  assert.deepEqual(ended, ['jc_1']);
});

void test('one that somebody needs stays until nobody does', (context) => {
  const { checkIns, wanted, ended, pass } = opened(context);
  wanted.add('jc_1');
  checkIns.begin('jc_1');
  for (let round = 0; round < 5; round += 1) pass(CHECK_IN_GRACE_MS);
  assert.deepEqual(ended, []);
  wanted.clear();
  pass(CHECK_IN_GRACE_MS);
  assert.deepEqual(ended, ['jc_1']);
});

void test('one that went by itself, or became active, is told nothing', (context) => {
  const { checkIns, ended, pass } = opened(context);
  checkIns.begin('jc_1');
  checkIns.begin('jc_2');
  checkIns.forget('jc_1');
  pass(CHECK_IN_GRACE_MS);
  assert.deepEqual(ended, ['jc_2']);
});
