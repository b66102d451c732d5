/** Files of recordings that were removed: by rows of site.db, on both sides of a pair, as often as they come back. */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import { copyPath } from '@bascule/protocol/pair-data.ts';
import type { Reader } from '@bascule/store/store.ts';

/** What was removed lately: a copy that was on its way between the two sides may still arrive. */
const SWEEP_INTERVAL_MS = 60_000;
const LATELY_MS = 2 * 60 * 60_000;
/** Everything: one side of a pair may have been away for weeks. */
const SWEEP_ALL_INTERVAL_MS = 60 * 60_000;
const ROWS_AT_ONCE = 64;
const PAUSE_MS = 5;

export interface RecordingSweepOptions {
  /** Undefined while there is no copy of the site yet. */
  reader(): Reader | undefined;
  recordingsDir: string;
  log: Log;
  now: () => number;
}

/** Unlinks what `removed_recordings` names, now and again. */
export class RecordingSweep {
  readonly #options: RecordingSweepOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: RecordingSweepOptions) {
    this.#options = options;
  }

  start(): void {
    void this.sweep(0);
    this.#timers = [
      setInterval(() => void this.sweep(this.#options.now() - LATELY_MS), SWEEP_INTERVAL_MS).unref(),
      setInterval(() => void this.sweep(0), SWEEP_ALL_INTERVAL_MS).unref(),
    ];
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#closing.abort();
  }

  /** Those removed since `sinceMs`; one sweep after another. Never rejects. */
  sweep(sinceMs: number): Promise<void> {
    const before = this.#running ?? Promise.resolve();
    const own = before.then(() => this.#sweep(sinceMs)).catch((error: unknown) => this.#failed(error));
    this.#running = own;
    return own;
  }

  async #sweep(sinceMs: number): Promise<void> {
    const { recordingsDir, reader } = this.#options;
    let after = '';
    for (;;) {
      if (this.#closing.signal.aborted) return;
      const rows = reader()?.all<{ file: string }>(
        'SELECT file FROM removed_recordings WHERE at_ms >= ? AND file > ? ORDER BY file LIMIT ?',
        sinceMs,
        after,
        ROWS_AT_ONCE,
      );
      const last = rows?.at(-1);
      if (rows === undefined || last === undefined) return;
      after = last.file;
      for (const { file } of rows) if (copyPath.safeParse(file).success) await unlinkIfThere(join(recordingsDir, file));
      await pause(PAUSE_MS);
    }
  }

  #failed(error: unknown): void {
    if (!this.#closing.signal.aborted) this.#options.log.warn({ err: error }, 'retention.not-swept');
  }
}

async function unlinkIfThere(file: string): Promise<void> {
  await unlink(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
