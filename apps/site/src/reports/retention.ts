import type { Log } from '@bascule/log/log.ts';
import { retention, retentionState, type Retention, type RetentionState } from '@bascule/protocol/api/storage.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Reader, type Store, type Tx } from '@bascule/store/store.ts';
import { readSetting, writeSetting } from '../settings/settings.ts';
import { RecordingSweep } from './retention-sweep.ts';

export { retentionMigrations } from './retention-migrations.ts';
export { RecordingSweep } from './retention-sweep.ts';

const SETTING = 'retention';
const LAST_RUN = 'retention-last-run';
/** After the start, when clients are back; then each hour. */
export const FIRST_RUN_MS = 5 * 60_000;
export const RUN_INTERVAL_MS = 60 * 60_000;
/** In one transaction: an audit event names them all. */
export const REMOVED_AT_ONCE = 100;
const PAUSE_MS = 20;
const DAY_MS = 24 * 60 * 60_000;
const GIBIBYTE = 1024 ** 3;
const FOR_EVER: Retention = { recordingsMaxDays: null, recordingsMaxGibibytes: null, reportsMaxDays: null };

const settingsChanged = defineAuditEvent<{ before: Retention; after: Retention }>(
  'RETENTION_CHANGED',
  'Changed how long recordings and reports are kept from {before} to {after}',
  { waitsForPeer: true },
);
const recordingsRemoved = defineAuditEvent<{ why: string; count: number; bytes: number; sessions: string[] }>(
  'RECORDINGS_REMOVED',
  'Removed {count:recording,recordings} ({bytes:byte,bytes}), as they were {why}',
);
const reportsRemoved = defineAuditEvent<{ count: number; sessions: string[]; reports: string[] }>(
  'REPORTS_REMOVED',
  'Removed {count:report,reports} of access sessions, which were too old',
);

interface Row {
  id: string;
  file: string;
  bytes: number | null;
  userName: string;
  itemName: string;
  startedAtMs: number;
  endedAtMs: number;
}
const ROW =
  'id, recording_file AS file, recording_bytes AS bytes, user_name AS userName, jump_item_name AS itemName, started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs';

export interface RetentionOptions {
  store: Store;
  recordingsDir: string;
  log: Log;
  now: () => number;
}

/** How long recordings and reports of ended access sessions are kept, and removing them then. On the primary of a pair, or an appliance by itself. */
export class ReportRetention {
  readonly #store: Store;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #sweep: RecordingSweep;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor({ store, recordingsDir, log, now }: RetentionOptions) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
    this.#sweep = new RecordingSweep({ reader: () => store, recordingsDir, log, now });
  }

  start(): void {
    this.#sweep.start();
    this.#runIn(FIRST_RUN_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#sweep.close();
  }

  state(): RetentionState {
    return readRetention(this.#store, true);
  }

  /** What is too old by the new settings goes at once. */
  change(context: Context, after: Retention): void {
    const { settings: before } = this.state();
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    this.#store.transact(context, settingsChanged({ before, after }), (tx) => {
      writeSetting(tx, SETTING, after);
      tx.afterCommit(() => void this.run());
    });
  }

  /** Removes what is kept long enough; a second call waits for the first. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run()
      .catch((error: unknown) => this.#log.warn({ err: error }, 'retention.failed'))
      .finally(() => {
        this.#running = undefined;
        this.#runIn(RUN_INTERVAL_MS);
      });
    return this.#running;
  }

  #runIn(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.run(), ms).unref();
  }

  async #run(): Promise<void> {
    const startedMs = this.#now();
    const { recordingsMaxDays, recordingsMaxGibibytes, reportsMaxDays } = this.state().settings;
    const total = { recordings: 0, recordingBytes: 0, reports: 0 };
    const recordingDays = Math.min(recordingsMaxDays ?? Infinity, reportsMaxDays ?? Infinity);
    const remove = async (next: () => Row[], why: string): Promise<void> => {
      for (let rows = next(); rows.length > 0 && !this.#isClosed; rows = next()) {
        const bytes = this.#removeRecordings(rows, why, total);
        total.recordings += rows.length;
        total.recordingBytes += bytes;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    };
    if (recordingDays < Infinity) await remove(() => this.#recordingsBefore(startedMs - recordingDays * DAY_MS), 'too old');
    if (recordingsMaxGibibytes !== null)
      await remove(() => this.#recordingsBeyond(recordingsMaxGibibytes * GIBIBYTE), 'more than there is room for');
    if (reportsMaxDays !== null) await this.#removeReports(startedMs - reportsMaxDays * DAY_MS, total);
    await this.#sweep.sweep(startedMs);
  }

  /** The oldest that ended before `beforeMs`, or none. */
  #recordingsBefore(beforeMs: number): Row[] {
    return this.#store.all<Row>(
      `SELECT ${ROW} FROM access_sessions WHERE recording_removed_at_ms IS NULL AND ended_at_ms < ? ORDER BY ended_at_ms LIMIT ?`,
      beforeMs,
      REMOVED_AT_ONCE,
    );
  }

  /** The oldest, as many as bring the sum below `maxBytes`. */
  #recordingsBeyond(maxBytes: number): Row[] {
    const sum = this.#store.get<{ bytes: number | null }>(
      'SELECT SUM(recording_bytes) AS bytes FROM access_sessions WHERE recording_removed_at_ms IS NULL AND ended_at_ms IS NOT NULL',
    );
    let excess = (sum?.bytes ?? 0) - maxBytes;
    return this.#recordingsBefore(Number.MAX_SAFE_INTEGER).filter((row) => {
      const goes = excess > 0;
      excess -= row.bytes ?? 0;
      return goes;
    });
  }

  #removeRecordings(rows: Row[], why: string, total: { recordings: number; recordingBytes: number; reports: number }): number {
    const atMs = this.#now();
    const bytes = rows.reduce((sum, row) => sum + (row.bytes ?? 0), 0);
    const event = recordingsRemoved({ why, count: rows.length, bytes, sessions: rows.map(({ id }) => id) });
    this.#store.transact(SYSTEM, event, (tx) => {
      for (const { id, file } of rows) {
        tx.run('UPDATE access_sessions SET recording_removed_at_ms = ? WHERE id = ?', atMs, id);
        noteRemoved(tx, file, atMs);
      }
      const sums = { recordings: total.recordings + rows.length, recordingBytes: total.recordingBytes + bytes };
      writeSetting(tx, LAST_RUN, { ...total, ...sums, atMs });
    });
    return bytes;
  }

  async #removeReports(beforeMs: number, total: { recordings: number; recordingBytes: number; reports: number }): Promise<void> {
    while (!this.#isClosed) {
      const rows = this.#store.all<Row>(
        `SELECT ${ROW} FROM access_sessions WHERE ended_at_ms < ? AND recording_removed_at_ms IS NOT NULL ORDER BY ended_at_ms LIMIT ?`,
        beforeMs,
        REMOVED_AT_ONCE,
      );
      if (rows.length === 0) return;
      total.reports += rows.length;
      const event = reportsRemoved({
        count: rows.length,
        sessions: rows.map(({ id }) => id),
        reports: rows.map((row) => `${row.userName} on ${row.itemName}, ${new Date(row.startedAtMs).toISOString()}`),
      });
      this.#store.transact(SYSTEM, event, (tx) => {
        for (const { id } of rows) tx.run('DELETE FROM access_sessions WHERE id = ?', id);
        writeSetting(tx, LAST_RUN, { ...total, atMs: this.#now() });
      });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Settings and last run, from the site's database or a copy of it. */
export function readRetention(reader: Reader, decidesHere: boolean): RetentionState {
  const settings = retention.safeParse(readSetting(reader, SETTING)).data ?? FOR_EVER;
  const lastRun = retentionState.shape.lastRun.safeParse(readSetting(reader, LAST_RUN)).data ?? null;
  return { settings, decidesHere, lastRun };
}

function noteRemoved(tx: Tx, file: string, atMs: number): void {
  tx.run(
    'INSERT INTO removed_recordings (file, at_ms) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET at_ms = excluded.at_ms',
    file,
    atMs,
  );
}
