import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { startPair } from './testing.ts';

test(
  'what is still to copy is of the last contact while the other side cannot be reached, and is said to be so on both',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const sides = [one, other];
    const asOf = async ({ program }: typeof one) => (await program.failover.state()).copy?.leftAsOfMs;
    for (const side of sides) await waitUntil('it has heard the other', () => side.pair.parts.watch.state !== undefined);
    assert.deepEqual(await Promise.all(sides.map(asOf)), [undefined, undefined]);
    for (const side of sides) side.cut(true);
    for (const { pair: each } of sides) await waitUntil('it is missed', () => !each.parts.watch.isReachable);
    for (const side of sides) {
      const { lastContactAtMs } = side.pair.parts.watch;
      assert.ok(lastContactAtMs !== null);
      assert.equal(await asOf(side), lastContactAtMs);
    }
  },
);
