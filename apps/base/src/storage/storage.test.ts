import assert from 'node:assert/strict';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { measureStorage } from './storage-measure.ts';

test('adds up by kind; several names of one file count once, and links lead nowhere', async () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-storage-'));
  try {
    const paths = homePaths(home);
    const files = [
      paths.boxDatabase,
      `${paths.site.database}-wal`,
      join(paths.site.recordings, 'x', 'a.bsr'),
      join(paths.site.archive, 'old', 'site.db'),
      join(paths.snapshots, 'i', 'site.db'),
      join(paths.siteSoftware, 'v1', 'main.ts'),
      join(paths.logs, 'appliance.log'),
      join(home, 'backups', 'b.age'),
      join(paths.box, 'reserve'),
      join(paths.box, 'account.key'),
    ];
    for (const file of files) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, Buffer.alloc(10_000, 1));
    }
    linkSync(join(paths.siteSoftware, 'v1', 'main.ts'), join(paths.siteSoftware, 'v1', 'again.ts'));
    symlinkSync('/', join(paths.site.site, 'root'));
    const usage = await measureStorage(paths, new AbortController().signal);
    const counts = Object.fromEntries([...usage].map(([kind, { files: count }]) => [kind, count]));
    assert.deepEqual(counts, {
      database: 2,
      recordings: 1,
      archives: 1,
      snapshots: 1,
      software: 1,
      logs: 1,
      backups: 1,
      reserve: 1,
      other: 1,
    });
    assert.ok((usage.get('recordings')?.bytes ?? 0) >= 10_000);
    await assert.rejects(measureStorage(paths, AbortSignal.abort(new Error('closed'))), /closed/);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
