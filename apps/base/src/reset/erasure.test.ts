import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import { ERASED_KINDS } from '@bascule/protocol/api/reset.ts';
import { erasureFiles, finishErasure, isErasing, orderErasure, readReport, shownReport } from './erasure.ts';

const log = createLog('test', 'silent');
const ELSEWHERE = ['vault: /srv/backups on box@files.example.org:22'];
const WHO = { applianceName: 'Basteldorf', baseVersion: '0.4.0', orderedBy: 'ada' };
const ORDER = { ...WHO, startedAtMs: 1, elsewhere: ELSEWHERE, shutDownAfter: false };

/** A home with something of each kind, and what must stay. */
function furnished(): { home: string; paths: ReturnType<typeof homePaths>; gone: string[]; stays: string[] } & Disposable {
  const home = mkdtempSync(join(tmpdir(), 'bascule-erasure-'));
  const paths = homePaths(home);
  const gone = [
    join(paths.site.keys, 'site.key'),
    join(paths.boxTls, 'key.pem'),
    join(paths.box, 'account.key'),
    join(paths.updates, 'appliance.key'),
    paths.boxDatabase,
    `${paths.boxDatabase}-wal`,
    paths.site.database,
    paths.site.pairDatabase,
    join(paths.site.archive, '2026', 'site.db'),
    join(paths.site.recordings, '2026-11', 'a.bsr'),
    join(paths.site.files, 'store', 'handbook.pdf'),
    join(paths.box, 'installations', 'i.log'),
    join(home, 'client', 'device.key'),
    join(paths.box, 'health.ring'),
  ];
  const stays = [join(paths.siteSoftware, '0.4.0', 'main.ts'), join(home, 'hooks', 'nat'), join(paths.run, 'boot.json')];
  const backup = join(home, 'backups', 'old.bascule-backup');
  mkdirSync(dirname(paths.controlSocket), { recursive: true });
  for (const file of [...gone, ...stays, backup]) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, file.endsWith('.ring') || file.endsWith('.pdf') ? Buffer.alloc(100_000, 1) : 'content');
  }
  const remove = () => rmSync(home, { recursive: true, force: true });
  return { home, paths, gone: [...gone, backup], stays, [Symbol.dispose]: remove };
}

test('erases everything of the appliance, keys first, and leaves software and what is not its own', async () => {
  using scene = furnished();
  const { paths } = scene;
  orderErasure(paths, { ...ORDER, keptBackups: false });
  const order: string[] = [];
  await finishErasure(paths, log, { onStep: (point) => void order.push(point) });
  assert.deepEqual(
    scene.gone.filter((file) => existsSync(file)),
    [],
  );
  assert.deepEqual(
    scene.stays.filter((file) => !existsSync(file)),
    [],
  );
  assert.ok(existsSync(paths.box) && existsSync(paths.site.site), 'folders that base could not make again are there');
  const report = readReport(paths);
  assert.deepEqual([report?.left, report?.interruptions, report?.steps.map(({ kind }) => kind)], [[], 0, [...ERASED_KINDS]]);
  assert.ok((report?.steps[0]?.files ?? 0) >= 4);
  assert.equal(order[0], 'keys: begun');
  assert.ok(!isErasing(paths));
});

test('the report names backups that lie elsewhere, and strangers see neither them nor names and paths', async () => {
  using scene = furnished();
  orderErasure(scene.paths, { ...ORDER, keptBackups: false });
  await finishErasure(scene.paths, log);
  const report = readReport(scene.paths)!;
  assert.deepEqual(report.elsewhere, ELSEWHERE);
  const shown = shownReport({ ...report, left: ['logs/of ada'] });
  assert.deepEqual([shown.leftCount, shown.elsewhereCount, shown.sha256], [1, 1, report.sha256]);
  assert.doesNotMatch(JSON.stringify(shown), /ada|logs\/|example\.org/);
  assert.equal(shownReport({ ...report, elsewhere: null }).elsewhereCount, null);
});

test('backups stay when that was chosen', async () => {
  using scene = furnished();
  orderErasure(scene.paths, { ...ORDER, keptBackups: true });
  await finishErasure(scene.paths, log);
  assert.ok(existsSync(join(scene.home, 'backups', 'old.bascule-backup')));
  assert.equal(existsSync(scene.paths.boxDatabase), false);
});

test('goes on wherever it was cut, and ends the same', async () => {
  using rehearsal = furnished();
  const points: string[] = [];
  orderErasure(rehearsal.paths, { ...ORDER, keptBackups: false });
  await finishErasure(rehearsal.paths, log, { onStep: (point) => void points.push(point) });
  assert.ok(points.length > 20);
  for (const [index, cutAt] of points.entries()) {
    using scene = furnished();
    orderErasure(scene.paths, { ...ORDER, keptBackups: false });
    let passed = 0;
    const cut = (): void => {
      if (passed++ === index) throw new Error('power cut');
    };
    // A removal that is cut is a file that stays until the next run.
    await finishErasure(scene.paths, log, { onStep: cut }).catch((error: Error) => assert.equal(error.message, 'power cut'));
    await finishErasure(scene.paths, log);
    assert.deepEqual(
      scene.gone.filter((file) => existsSync(file)),
      [],
      cutAt,
    );
    assert.deepEqual([readReport(scene.paths)?.left, isErasing(scene.paths)], [[], false], cutAt);
    assert.equal(readReport(scene.paths)?.interruptions, ['ended'].includes(cutAt) ? 0 : 1, cutAt);
  }
});

test('a key is overwritten before its name goes', async () => {
  using scene = furnished();
  const key = join(scene.paths.box, 'account.key');
  orderErasure(scene.paths, { ...ORDER, keptBackups: false });
  // Another name of the same file shows what lies on the disk.
  const { linkSync } = await import('node:fs');
  const witness = join(scene.paths.run, 'witness');
  linkSync(key, witness);
  await finishErasure(scene.paths, log);
  assert.ok(!readFileSync(witness, 'latin1').includes('content'));
});

test('nothing happens without an order, and a journal that makes no sense ends in an error, not in an erasure', async () => {
  using scene = furnished();
  assert.equal(await finishErasure(scene.paths, log), undefined);
  writeFileSync(erasureFiles(scene.paths).journal, '{"format":"something"}');
  await assert.rejects(finishErasure(scene.paths, log));
  assert.deepEqual(
    scene.gone.filter((file) => !existsSync(file)),
    [],
  );
});
