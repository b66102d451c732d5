import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BASE_SILENCE_LIMIT_MS, BasePulse } from './base-pulse.ts';

test('base counts as hanging when its questions stay away, once it asks often; and as alive again with the next', () => {
  let nowMs = 1000;
  const pulse = new BasePulse(() => nowMs);
  assert.ok(pulse.isAlive, 'it has not asked yet');
  // An older base asks each ten seconds.
  for (let asked = 0; asked < 3; asked++) {
    pulse.heard();
    nowMs += 10_000;
    assert.ok(pulse.isAlive);
  }
  pulse.heard();
  nowMs += 500;
  pulse.heard();
  nowMs += BASE_SILENCE_LIMIT_MS;
  assert.ok(pulse.isAlive);
  nowMs += 1;
  assert.ok(!pulse.isAlive);
  pulse.heard();
  assert.ok(pulse.isAlive);
});
