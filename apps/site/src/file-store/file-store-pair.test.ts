/** Stored files in a pair (B155): the relays copy contents to the backup, and what is erased goes there too. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { inSync, startPair, type TestAppliance } from '../failover/testing.ts';
import { newPairKey, openWay, pairOrders } from '../relay/pair-testing.ts';
import { TestRelay } from '../relay/test-relay.ts';
import { ADA, pieces, TestFileStore, upload } from './testing.ts';

test('the relay of the backup fetches what was uploaded, and nothing that is on its way', async (t) => {
  const source = await TestRelay.open();
  const follower = await TestRelay.open();
  const way = await openWay((socket, head) => source.relay.takePairLink(socket, head));
  const orders = pairOrders(await newPairKey('a'), await newPairKey('b'), way);
  const site = new TestFileStore({ filesDir: join(source.directory, 'files') });
  t.after(async () => {
    site[Symbol.dispose]();
    way.close();
    await Promise.all([source.close(), follower.close()]);
  });
  const { sha256 } = await upload(site.files, 'a', 'content');
  const { id } = await site.files.uploads.start(ADA, { name: 'b', description: '', totalBytes: 9 });
  await site.files.uploads.append(id, 0, pieces('half'));
  source.relay.handle(orders.source);
  follower.relay.handle(orders.follower);
  const files = join(follower.directory, 'files');
  const folder = join(files, 'store');
  await waitUntil('the content is at the backup', () => existsSync(join(folder, sha256)));
  assert.deepEqual([readdirSync(files), readdirSync(folder)], [['store'], [sha256]]);
  assert.equal(readFileSync(join(folder, sha256), 'utf8'), 'content');
});

test(
  'what is erased at the primary goes at the backup too; what stays is downloaded there after a swap',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const files = one.program.site!.parts.fileStore;
    const kept = await upload(files, 'kept', 'kept content');
    const gone = await upload(files, 'gone', 'gone content');
    const placeOf = (appliance: TestAppliance, sha256: string) => join(appliance.config.paths.files, 'store', sha256);
    // As the relays do.
    for (const { sha256 } of [kept, gone]) {
      mkdirSync(dirname(placeOf(other, sha256)), { recursive: true });
      copyFileSync(placeOf(one, sha256), placeOf(other, sha256));
    }
    files.delete(ADA, gone.id);
    await inSync(one, other);
    assert.ok(existsSync(placeOf(other, gone.sha256)), 'as long as it can be taken back');
    one.program.failover.store!.transact(ADA, { code: 'TEST_TIME_PASSES', summary: '', details: {} }, (tx) =>
      tx.run('UPDATE stored_files SET deleted_at_ms = 0 WHERE deleted_at_ms IS NOT NULL'),
    );
    files.start();
    assert.ok(!existsSync(placeOf(one, gone.sha256)));
    await waitUntil('it is gone at the backup', () => !existsSync(placeOf(other, gone.sha256)));
    assert.ok(existsSync(placeOf(other, kept.sha256)));
    await inSync(one, other);
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    const there = other.program.site!.parts.fileStore;
    assert.deepEqual(
      there.state().files.map(({ name, isHere }) => [name, isHere]),
      [['kept', true]],
    );
    const { handle } = await there.open(ADA, kept.id);
    assert.equal((await handle.readFile()).toString(), 'kept content');
    await handle.close();
  },
);
