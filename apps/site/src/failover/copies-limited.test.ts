/** Copies that are made for the peer, and taken from it, leave room on the disk, and are not made or fetched all the time (I5). */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { openTestStore } from '@bascule/store/testing.ts';
import { checkSpace } from './free-space.ts';
import { HistoryTaking } from './history-taking.ts';
import { Snapshots } from './snapshots.ts';
import { startPair } from './testing.ts';

const FULL = { code: 'STORE_DISK_FULL' };

test('a copy for the peer is not begun on a disk that is too full for it, nor begun anew at once', async () => {
  using scene = openTestStore([]);
  const folder = join(scene.directory, 'work');
  const snapshots = new Snapshots(folder, createLog('test', 'silent'), Number.MAX_SAFE_INTEGER / 2);
  const first = await snapshots.prepare(scene.store, null).catch((error: unknown) => error);
  const second = await snapshots.prepare(scene.store, null).catch((error: unknown) => error);
  assert.equal((first as { code?: string }).code, FULL.code);
  assert.equal(second, first, 'it is not tried again');
  assert.deepEqual(readdirSync(folder), []);
  await snapshots.close();
  await checkSpace(folder, 1, 0);
  await assert.rejects(checkSpace(folder, 2 ** 60), FULL);
});

test('an archive that cannot be had, or is larger than announced, is asked for once, and then more and more rarely', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  const { dial, config } = one.pair.parts;
  const taking = new HistoryTaking(one.pair.parts);
  const asked: { path: string; file: string; from: number }[] = [];
  const download = dial.download.bind(dial);
  dial.download = async (path, file, from, ...rest) => {
    asked.push({ path, file, from });
    return await download(path, file, from, ...rest);
  };
  const take = async (archive: { id: string; bytes: number; sha256: string }) => {
    taking.offered([archive]);
    await taking.settled();
  };
  const missing = { id: crypto.randomUUID(), bytes: 10, sha256: 'a'.repeat(64) };
  await take(missing);
  await take(missing);
  assert.deepEqual(
    asked.splice(0).map(({ path, from }) => [path, from]),
    [[`/archives/${missing.id}`, 0]],
  );

  other.cut(true);
  await other.pair.givenWay.archive('discarded', true);
  const [offer] = other.pair.givenWay.offered();
  assert.ok(offer !== undefined);
  other.cut(false);
  const less = { ...offer, bytes: 4096, sha256: 'b'.repeat(64) };
  const file = join(config.paths.pairWork, `archive-${less.sha256}.db`);
  mkdirSync(config.paths.pairWork, { recursive: true });
  writeFileSync(file, Buffer.alloc(5000));
  await take(less);
  await take(less);
  assert.deepEqual(
    asked.filter((one) => one.file === file).map(({ from }) => from),
    [0],
    'what is longer than announced is begun anew, once',
  );
  assert.ok(!existsSync(file) || statSync(file).size <= less.bytes);
});
