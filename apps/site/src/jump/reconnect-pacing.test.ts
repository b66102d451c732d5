import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnWindows } from './reconnect-pacing.ts';

test('after a planned break clients with sessions come at once and have two seconds for themselves; without any nobody waits', () => {
  assert.deepEqual(returnWindows(50, 1000), {
    first: { afterMs: 0, withinMs: 100 },
    rest: { afterMs: 2_100, withinMs: 2_000 },
  });
  assert.deepEqual(returnWindows(0, 1000).rest, { afterMs: 10, withinMs: 2_000 });
});
