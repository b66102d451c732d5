/** What is kept of a test of the standby (no hole in audit and recordings): read from a scratch copy that nobody serves any more, however it ended. */
import { createWriteStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import { copyPath } from '@bascule/protocol/pair-data.ts';
import { REHEARSAL_SESSIONS_MAX, type RehearsalSession, type RehearsalStart } from '@bascule/protocol/rehearsal.ts';
import { exportAudit } from '@bascule/store/audit.ts';
import type { Store } from '@bascule/store/store.ts';
import { sessionsAfterRow, type SessionRow } from '../../access-session/access-session-store.ts';
import { completeConfig } from '../../config/config.ts';
import { SiteIdentity } from '../../jump/jump.ts';
import { openSiteStore } from '../../site-store.ts';

/** Beside the recordings in the archive. */
export const KEPT_AUDIT_FILE = 'audit.jsonl';
export const KEPT_RECORDINGS = 'recordings';

export interface Collected {
  sessions: RehearsalSession[];
  changes: number;
}

/** Writes the whole audit of the copy into `start.collectInto`, where its recordings are already, and names the sessions that were held in it. Throws as `Store.open`. */
export async function collectKept(start: RehearsalStart, log: Log): Promise<Collected> {
  const { collectInto } = start;
  if (collectInto === undefined) throw new Error('bug: nowhere to collect into');
  const config = completeConfig(start.site);
  const { paths, applianceName, generation } = config;
  const store = openSiteStore({
    path: paths.database,
    appliance: applianceName,
    generation: { file: paths.generation, number: generation },
    log,
  });
  try {
    const begun = historyOf(store, start.rehearsal);
    const rows = sessionsAfterRow(store, begun.sessionRows, REHEARSAL_SESSIONS_MAX);
    const sessions: RehearsalSession[] = [];
    for (const row of rows) sessions.push(await describe(row, join(collectInto, KEPT_RECORDINGS)));
    const identity = existsSync(paths.keys) ? await SiteIdentity.open({ keysDir: paths.keys }) : undefined;
    const lines = Readable.from(exportAudit(store, identity?.certificatePem, identity?.former), { objectMode: false });
    await pipeline(lines, createWriteStream(join(collectInto, KEPT_AUDIT_FILE), { mode: 0o600, flush: true }));
    await syncFolder(collectInto);
    return { sessions, changes: Math.max(0, store.head().seq - begun.change) };
  } finally {
    store.close();
  }
}

function historyOf(store: Store, rehearsal: string): { sessionRows: number; change: number } {
  const row = store.get<{ details: string }>(
    "SELECT details FROM audit_event WHERE code = 'REHEARSAL_OPENED' AND details ->> '$.rehearsal' = ? ORDER BY sequence DESC LIMIT 1",
    rehearsal,
  );
  if (row === undefined) throw new AppError('not-found', 'REHEARSAL_NOT_OPENED', 'This copy was never opened for a test.');
  return JSON.parse(row.details) as { sessionRows: number; change: number };
}

async function describe(row: SessionRow, recordings: string): Promise<RehearsalSession> {
  const file = join(recordings, row.recordingFile);
  // What leads out of the folder of recordings is no name of one.
  const isThere = copyPath.safeParse(row.recordingFile).success && existsSync(file);
  return {
    session: row.id,
    user: row.userName.slice(0, 255),
    item: row.jumpItemName.slice(0, 255),
    startedAtMs: row.startedAtMs,
    endedAtMs: row.endedAtMs,
    recordingSha256: isThere ? await sha256OfFile(file) : null,
    recordingBytes: isThere ? statSync(file).size : 0,
  };
}
