import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertFollowed, assertReproduced, assertWhole, openCrashed } from '../test/crash-checks.ts';
import { copyEntries } from './testing.ts';
import { FOLLOWING_STEPS, TRANSACTION_STEPS } from './transaction.ts';

const WRITER = fileURLToPath(new URL('../test/crash-writer.ts', import.meta.url));
const FOLLOWER = fileURLToPath(new URL('../test/crash-follower.ts', import.meta.url));
const RANDOM_KILLS = 12;
const FOLLOWER_KILLS = 6;
const SOURCE_CHANGES = 400;

function scratch(): { directory: string; database: string; acks: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-crash-'));
  return {
    directory,
    database: join(directory, 'crash.db'),
    acks: join(directory, 'acks'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function acknowledged(acks: string): number {
  return existsSync(acks) ? Number(readFileSync(acks, 'utf8').trim().split('\n').at(-1)) : 0;
}

for (const step of TRANSACTION_STEPS) {
  test(`killed at '${step}', nothing acknowledged is missing and all three parts agree (I4)`, async () => {
    using files = scratch();
    const child = spawn(process.execPath, [WRITER, files.database, files.acks, '20', step, '8']);
    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGKILL');
    assert.equal(acknowledged(files.acks), 7);
    using store = openCrashed(files.database);
    // Only what was committed before the cut is a phantom: on disk, though nobody was told.
    assert.equal(assertWhole(store, 7), step === 'committed' ? 8 : 7);
    assertReproduced(store, join(files.directory, 'follower.db'));
  });
}

test('killed at random again and again, it goes on from where it was (I4)', async (t) => {
  const seed = Number(process.env['BASCULE_TEST_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`BASCULE_TEST_SEED=${seed}`);
  let state = seed;
  using files = scratch();
  for (let round = 0; round < RANDOM_KILLS; round += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const target = acknowledged(files.acks) + 1 + (state % 40);
    using changes = { watcher: watch(files.directory), [Symbol.dispose]: () => changes.watcher.close() };
    const child = spawn(process.execPath, [WRITER, files.database, files.acks, '100000']);
    changes.watcher.on('change', () => {
      if (acknowledged(files.acks) >= target) child.kill('SIGKILL');
    });
    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGKILL');
    using store = openCrashed(files.database);
    assertWhole(store, acknowledged(files.acks));
  }
  using store = openCrashed(files.database);
  assertReproduced(store, join(files.directory, 'follower.db'));
});

test('a follower that is killed', async (t) => {
  using files = scratch();
  const writer = spawn(process.execPath, [WRITER, files.database, files.acks, String(SOURCE_CHANGES)]);
  assert.deepEqual(await once(writer, 'exit'), [0, null]);
  using source = openCrashed(files.database);

  for (const step of FOLLOWING_STEPS) {
    await t.test(`at '${step}' has all that it acknowledged, no half entry, and goes on`, async () => {
      const [follower, acks] = [join(files.directory, `${step}.db`), join(files.directory, `${step}-acks`)];
      const child = spawn(process.execPath, [FOLLOWER, files.database, follower, acks, '20000', step, '3']);
      const [, signal] = await once(child, 'exit');
      assert.equal(signal, 'SIGKILL');
      using store = openCrashed(follower, true);
      const { seq } = store.head();
      assert.ok(acknowledged(acks) > 0);
      if (step === 'followed') assert.ok(seq > acknowledged(acks), 'committed, though nobody was told');
      else assert.equal(seq, acknowledged(acks));
      assertFollowed(source, store);
      copyEntries(source, store);
      assertFollowed(source, store);
      assert.equal(store.contentHash('parent'), source.contentHash('parent'));
    });
  }

  await t.test('at random again and again arrives where its source is', async () => {
    const seed = Number(process.env['BASCULE_TEST_SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`BASCULE_TEST_SEED=${seed}`);
    let state = seed;
    const [follower, acks] = [join(files.directory, 'follower.db'), join(files.directory, 'follower-acks')];
    for (let round = 0; round < FOLLOWER_KILLS && acknowledged(acks) < source.head().seq; round += 1) {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      // Behind the migrations: before them there is nothing to compare.
      const target = acknowledged(acks) + 5 + (state % 50);
      using changes = { watcher: watch(files.directory), [Symbol.dispose]: () => changes.watcher.close() };
      const child = spawn(process.execPath, [FOLLOWER, files.database, follower, acks, String(500 + (state % 5000))]);
      changes.watcher.on('change', () => {
        if (acknowledged(acks) >= target) child.kill('SIGKILL');
      });
      await once(child, 'exit');
      using store = openCrashed(follower, true);
      assert.ok(store.head().seq >= acknowledged(acks));
      assertFollowed(source, store);
    }
    using store = openCrashed(follower, true);
    copyEntries(source, store);
    for (const table of source.replicatedTables()) assert.equal(store.contentHash(table), source.contentHash(table), table);
  });
});
