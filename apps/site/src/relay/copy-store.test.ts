import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { CopyStore } from './copy-store.ts';

function openStore(t: TestContext, reserveBytes = 0): { store: CopyStore; recordings: string; archive: string } {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-copy-store-'));
  const [recordings, archive] = [join(folder, 'recordings'), join(folder, 'archive')];
  const store = new CopyStore({
    folders: { recordings, files: join(folder, 'files') },
    incoming: join(folder, 'incoming'),
    archive,
    checkGeneration: () => undefined,
    reserveBytes: () => reserveBytes,
    log: createLog('test'),
  });
  t.after(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });
  return { store, recordings, archive };
}

test('a recording that is archived a second time does not take the place of the first (I5)', async (t) => {
  const { store, recordings, archive } = openStore(t);
  mkdirSync(recordings);
  for (const content of ['one', 'two', 'three']) {
    writeFileSync(join(recordings, 'a.bsr'), content);
    await store.archive('recordings', 'a.bsr');
  }
  const folder = join(archive, readdirSync(archive)[0]!, 'recordings');
  const kept = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  assert.deepEqual(kept.toSorted(), ['one', 'three', 'two']);
});

test('what is free is known before the first recording has come', async (t) => {
  const { store } = openStore(t, Number.MAX_SAFE_INTEGER);
  await store.measure();
  assert.match(store.stopped ?? '', /no room for copies/);
});
