import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent, readAudit } from '@bascule/store/audit.ts';
import { copyEntries, openTestStore, testContext } from '@bascule/store/testing.ts';
import { auditBatch, LOOK_BACK_MS } from '../audit/audit-forward.ts';
import { accessSessionMigrations } from '../access-session/access-session.ts';
import { settingsMigrations } from '../settings/settings.ts';
import { RecordingSweep, ReportRetention, retentionMigrations } from './retention.ts';

const noted = defineAuditEvent('RETENTION_TEST_NOTED', 'A session was put there');
const log = createLog('test', 'silent');
const migrations = [...accessSessionMigrations, ...settingsMigrations, ...retentionMigrations];
const DAY_MS = 24 * 60 * 60_000;
const NOW_MS = 400 * DAY_MS;
const GIBIBYTE = 1024 ** 3;

/** Sessions that ended so many days ago; undefined: it runs. */
function scene(endedDaysAgo: (number | undefined)[], bytes = 100) {
  const opened = openTestStore(migrations);
  const recordingsDir = join(opened.directory, 'recordings');
  mkdirSync(recordingsDir);
  for (const [index, days] of endedDaysAgo.entries()) {
    const file = `s${index}.bsr`;
    writeFileSync(join(recordingsDir, file), 'recording');
    const endedAtMs = days === undefined ? null : NOW_MS - days * DAY_MS;
    opened.store.transact(testContext, noted({}), (tx) =>
      tx.run(
        `INSERT INTO access_sessions (id, state, user_id, user_name, jump_item_id, jump_item_name, host_name, runs_as, from_address, started_at_ms, cols, rows,
           records_input, recording_file, out_bytes, in_bytes, ended_at_ms, recording_bytes)
         VALUES (?, ?, 'u', 'ada', 'i', 'web01', 'h', 'r', 'a', 1, 80, 24, 0, ?, 0, 0, ?, ?)`,
        `s${index}`,
        endedAtMs === null ? 'live' : 'ended',
        file,
        endedAtMs,
        bytes,
      ),
    );
  }
  const retention = new ReportRetention({ store: opened.store, recordingsDir, log, now: () => NOW_MS });
  const files = () => endedDaysAgo.map((_, index) => existsSync(join(recordingsDir, `s${index}.bsr`)));
  const reports = () => opened.store.all<{ id: string }>('SELECT id FROM access_sessions ORDER BY id').map(({ id }) => id);
  const end = () => {
    retention.close();
    opened[Symbol.dispose]();
  };
  return { ...opened, retention, files, reports, recordingsDir, [Symbol.dispose]: end };
}

const FOR_EVER = { recordingsMaxDays: null, recordingsMaxGibibytes: null, reportsMaxDays: null };

test('nothing is removed unless somebody says so', async () => {
  using it = scene([399, 1, undefined]);
  await it.retention.run();
  assert.deepEqual(it.files(), [true, true, true]);
});

test('recordings that are too old go, the audit names them, and reports stay; a running session is never touched', async () => {
  using it = scene([30, 11, 9, undefined]);
  it.retention.change(testContext, { ...FOR_EVER, recordingsMaxDays: 10 });
  await it.retention.run();
  assert.deepEqual(it.files(), [false, false, true, true]);
  assert.deepEqual(it.reports(), ['s0', 's1', 's2', 's3']);
  const event = readAudit(it.store, { limit: 5 }).find(({ code }) => code === 'RECORDINGS_REMOVED');
  assert.deepEqual((JSON.parse(event?.details ?? '{}') as { sessions: string[] }).sessions, ['s0', 's1']);
  assert.equal(event?.summary, 'Removed 2 recordings (200 bytes), as they were too old');
  const { lastRun } = it.retention.state();
  assert.deepEqual([lastRun?.recordings, lastRun?.recordingBytes, lastRun?.reports], [2, 200, 0]);
});

test('the oldest make room', async () => {
  using it = scene([4, 3, 2, 1, undefined], GIBIBYTE);
  it.retention.change(testContext, { ...FOR_EVER, recordingsMaxGibibytes: 2 });
  await it.retention.run();
  assert.deepEqual(it.files(), [false, false, true, true, true]);
});

test('reports go with their recordings', async () => {
  using it = scene([...Array.from({ length: 150 }, () => 20), 5]);
  it.retention.change(testContext, { ...FOR_EVER, reportsMaxDays: 10 });
  await it.retention.run();
  assert.deepEqual(it.reports(), ['s150']);
  assert.deepEqual([it.files()[0], it.files()[150]], [false, true]);
  assert.equal(it.retention.state().lastRun?.reports, 150);
});

test('the other side of a pair removes its copies by the rows that it follows, also of reports that are gone, and again when they come back', async () => {
  using it = scene([20, 1]);
  using other = openTestStore(migrations, { follower: true });
  const recordingsDir = join(other.directory, 'copies');
  mkdirSync(recordingsDir);
  const copy = join(recordingsDir, 's0.bsr');
  for (const name of ['s0.bsr', 's1.bsr']) writeFileSync(join(recordingsDir, name), 'copy');
  it.retention.change(testContext, { ...FOR_EVER, reportsMaxDays: 10 });
  await it.retention.run();
  copyEntries(it.store, other.store);
  const sweep = new RecordingSweep({ reader: () => other.store, recordingsDir, log, now: () => NOW_MS });
  await sweep.sweep(0);
  assert.deepEqual([existsSync(copy), existsSync(join(recordingsDir, 's1.bsr'))], [false, true]);
  writeFileSync(copy, 'copied once more');
  await sweep.sweep(NOW_MS);
  assert.equal(existsSync(copy), false);
  await sweep.sweep(NOW_MS + 1);
  sweep.close();
});

test('the audit comes in batches from where base is; with a position of another epoch, what is not too old', () => {
  using opened = openTestStore(migrations, { now: () => NOW_MS });
  const { store } = opened;
  for (let number = 0; number < 5; number += 1) store.transact(testContext, noted({}), () => undefined);
  const first = auditBatch(store, { after: null, headAfterMs: 0, limit: 3 }, NOW_MS);
  assert.deepEqual([first.events.length, first.position], [0, { epoch: 1, sequence: 5 }]);
  const batch = auditBatch(store, { after: { epoch: 1, sequence: 1 }, headAfterMs: 0, limit: 3 }, NOW_MS);
  assert.deepEqual([batch.events.map(({ sequence }) => sequence), batch.position.sequence], [[2, 3], 3]);
  const rest = auditBatch(store, { after: batch.position, headAfterMs: 0, limit: 3 }, NOW_MS);
  assert.deepEqual(
    rest.events.map(({ sequence }) => sequence),
    [4, 5],
  );
  const late = auditBatch(store, { after: { epoch: 9, sequence: 2 }, headAfterMs: 0, limit: 9 }, NOW_MS + LOOK_BACK_MS + 1);
  assert.deepEqual([late.events.length, late.position], [0, { epoch: 1, sequence: 5 }]);
  store.signHead(() => Buffer.from('signed'));
  assert.equal(auditBatch(store, { after: rest.position, headAfterMs: 0, limit: 3 }, NOW_MS).head?.signature, 'c2lnbmVk');
  assert.equal(auditBatch(store, { after: rest.position, headAfterMs: NOW_MS, limit: 3 }, NOW_MS).head, null);
});
