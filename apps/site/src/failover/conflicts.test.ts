import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, inSync, startPair } from './testing.ts';

/** Above `conflictAfterMs` of the pairs of these tests. */
const LONG_ENOUGH_MS = 1500;

test(
  'what the other side said before a swap is no conflict, however long it does not say anything new',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    await waitUntil('beta has heard alpha', () => other.pair.parts.watch.state?.side.role === 'primary');
    // From here on it knows what it was told before the swap, and nothing else.
    other.pair.parts.watch.close();
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    await waitUntil('roles are swapped', () => other.role === 'primary' && one.role === 'backup');
    assert.equal(other.pair.parts.watch.state?.side.role, 'primary', 'what it knows is of before');
    assert.equal(other.pair.isInConflict, false);
    const { self, peer } = await other.program.failover.state();
    assert.deepEqual([self.role, peer?.role], ['primary', 'backup'], 'and nobody is shown two primaries');
    await delay(LONG_ENOUGH_MS);
    assert.equal(other.pair.isInConflict, false);
    other.pair.start();
    await waitUntil('beta hears what alpha is', () => other.pair.parts.watch.state?.side.role === 'backup');
    assert.equal(other.pair.isInConflict, false);
    await inSync(other, one);
  },
);
