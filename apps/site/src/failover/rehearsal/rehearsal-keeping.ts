/** After a test of the standby: its recordings and its audit go into the archive (I5), everything else of the scratch copy is erased (docs/decisions/0252). */
import { existsSync, renameSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { syncFolderSync, writeFileDurably } from '@bascule/core/durable-file.ts';
import { sitePaths } from '@bascule/core/home.ts';
import { uuidv7 } from '@bascule/core/ids.ts';
import { makeArchiveFolder } from '@bascule/store/archive.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { sizeOf } from '../folder-size.ts';
import { checkSpace } from '../free-space.ts';
import { addArchive } from '../pair-store.ts';
import type { PairParts } from '../pair-parts.ts';
import { RehearsalChild } from './rehearsal-child.ts';
import { KEPT_RECORDINGS, type Collected } from './rehearsal-collect.ts';
import { copyTestEnded, copyTestSession, keepingBegun } from './rehearsal-events.ts';
import { writeRehearsal, type RehearsalRecord } from './rehearsal-records.ts';
import { eraseScratch, scratchStart, type RehearsalNames } from './rehearsal-scratch.ts';

/** Reading a large audit takes its time; nothing waits for it. */
const COLLECT_LIMIT_MS = 15 * 60_000;
const REASON = 'rehearsal';

/** Settles a test that serves no more: its last record. What was begun before a cut goes on where it was. Rejects when it cannot be kept now; it is all there still then. */
export async function keepAndErase(parts: PairParts, record: RehearsalRecord): Promise<RehearsalRecord> {
  const { records, config, now } = parts;
  const kept = record.wasOpened ? await keep(parts, record) : { record, changes: 0, bytes: 0 };
  for (const { user, item, session, startedAtMs, endedAtMs, recordingSha256 } of kept.record.sessions) {
    const event = copyTestSession({ user, item, session, startedAtMs, endedAtMs, recordingSha256 });
    records.store.transact(SYSTEM, event, () => undefined);
    // Each waits for the disk: hundreds in one turn would hold up a takeover.
    await nextTurn();
  }
  const { folder } = kept.record;
  const archive = folder === null ? null : uuidv7(now());
  const last: RehearsalRecord = { ...kept.record, state: 'closed', archive };
  const event = copyTestEnded({
    reason: record.reason ?? '',
    sessions: last.sessions.length,
    archive: folder === null ? '' : basename(folder),
    rehearsal: record.rehearsal,
  });
  writeRehearsal(records.store, event, last, (tx) => {
    if (folder === null || archive === null) return;
    addArchive(tx, { id: archive, atMs: now(), reason: REASON, folder, bytes: kept.bytes, changes: kept.changes });
  });
  await eraseScratch(config);
  return last;
}

async function keep(
  parts: PairParts,
  before: RehearsalRecord,
): Promise<{ record: RehearsalRecord; changes: number; bytes: number }> {
  const { records, config, now, log } = parts;
  const known = before.folder !== null && existsSync(before.folder) ? before.folder : undefined;
  const folder = known ?? makeArchiveFolder(config.paths.archive, REASON, now());
  const record = { ...before, folder };
  if (known === undefined) writeRehearsal(records.store, keepingBegun({ folder: basename(folder) }), record);
  const recordings = sitePaths(config.paths.rehearsal).recordings;
  const target = join(folder, KEPT_RECORDINGS);
  if (existsSync(recordings) && !existsSync(target)) {
    renameSync(recordings, target);
    syncFolderSync(folder);
  }
  const { sessions, changes } = await collectOrMove(parts, record, folder);
  const { rehearsal, by, users, clients, startedAtMs } = record;
  const note = {
    format: 'bascule-archive/1',
    reason: REASON,
    atMs: now(),
    appliance: config.applianceName,
    rehearsal,
    by,
    users,
    clients,
    startedAtMs,
    sessions,
  };
  await writeFileDurably(join(folder, 'about.json'), `${JSON.stringify(note, undefined, 2)}\n`);
  log.info({ folder: basename(folder), sessions: sessions.length }, 'failover.rehearsal-kept');
  return { record: { ...record, sessions }, changes, bytes: await sizeOf(folder) };
}

/** What cannot be read (a damaged copy) is kept as it is: a test that could not be settled would stand in the way of the next. Rejects when the disk is full. */
async function collectOrMove(parts: PairParts, record: RehearsalRecord, folder: string): Promise<Collected> {
  const { config, log } = parts;
  const { database } = sitePaths(config.paths.rehearsal);
  try {
    if (existsSync(database)) return await collect(parts, record, folder);
  } catch (error) {
    await checkSpace(config.paths.site, existsSync(database) ? statSync(database).size : 0);
    log.error({ err: error }, 'failover.rehearsal-not-collected');
    for (const suffix of ['', '-wal'])
      if (existsSync(`${database}${suffix}`)) renameSync(`${database}${suffix}`, join(folder, `${basename(database)}${suffix}`));
    syncFolderSync(folder);
  }
  return { sessions: [], changes: 0 };
}

async function collect({ config, log }: PairParts, record: RehearsalRecord, folder: string) {
  const { publicHost, publicPort, hosts } = config;
  const names: RehearsalNames = { publicHost, publicPort, hosts };
  const child = new RehearsalChild({
    start: {
      mode: 'collect',
      collectInto: folder,
      rehearsal: record.rehearsal,
      by: record.by,
      site: scratchStart(config, names),
      clients: [],
      endsAtMs: record.endsAtMs,
    },
    log,
    clientsChanged: () => undefined,
    gone: () => undefined,
  });
  try {
    return await child.collected(COLLECT_LIMIT_MS);
  } finally {
    child.kill();
  }
}
