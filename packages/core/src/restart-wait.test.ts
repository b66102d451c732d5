import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countFailure, RESTART_FORGIVEN_AFTER_MS, RESTART_LONGEST_WAIT_MS, restartWaitMs } from './restart-wait.ts';

test('the wait before a restart is nothing at first, then doubles, up to a limit', () => {
  assert.deepEqual([1, 2, 3, 4].map(restartWaitMs), [0, 100, 200, 400]);
  assert.equal(restartWaitMs(60), RESTART_LONGEST_WAIT_MS);
});

test('a program that worked long enough begins anew', () => {
  assert.equal(countFailure(3, RESTART_FORGIVEN_AFTER_MS), 4);
  assert.equal(countFailure(3, RESTART_FORGIVEN_AFTER_MS + 1), 1);
});
