/** What a primary does that comes back and was taken over meanwhile: it asks before it writes (I5). */
import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { relayOrder } from './relay-order.ts';
import { ADA, inSync, startPair } from './testing.ts';

test(
  'a primary that was taken over while it was away writes nothing when it comes back: it follows, and nothing differs',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair('sync');
    const { one, other } = pair;
    await one.end();
    await waitUntil('it is seen to be unreachable', () => !other.pair.parts.watch.isReachable);
    await other.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: { changes: 1000, seconds: 1000 } });
    assert.equal(relayOrder(other.pair).mode, 'async', 'recordings do not wait for a peer that is away');

    await one.begin();
    await inSync(other, one);
    const { archives, conflict } = await one.program.failover.state();
    assert.deepEqual([archives, conflict], [[], null]);
    assert.deepEqual(one.hashes(), other.hashes());
    assert.equal(relayOrder(other.pair).mode, 'sync');
    // It is no standby for ever: a swap brings it back.
    await one.pair.roles.becomePrimary(ADA, { pullFirst: true });
    assert.equal(one.program.failover.serves, true);
  },
);

test('a primary that starts while its peer is away serves: nobody is waited for', { timeout: 90_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  await other.end();
  await one.end();
  await one.begin();
  assert.deepEqual([one.role, one.program.failover.serves], ['primary', true]);
});

test(
  'a primary whose database is an old copy is read-only from the first moment: nothing is written before',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const { database } = one.config.paths;
    await one.program.failover.store!.snapshot(`${database}.old`);
    const { seq } = one.program.failover.store!.head();
    one.program.site!.parts.jump.groups.create(ADA, 'after the copy');
    await inSync(one, other);
    await one.end();
    for (const suffix of ['-wal', '-shm']) rmSync(database + suffix, { force: true });
    renameSync(`${database}.old`, database);
    await one.begin();
    assert.deepEqual([one.role, (await one.program.failover.state()).readOnly], ['read-only', 'restored']);
    assert.equal(one.program.failover.store!.head().seq, seq);
  },
);
