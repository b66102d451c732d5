/** The primary takes audit and finished sessions of what the other side has archived into the history that goes on (B136). */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import type { PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import { mergeAudit, unionRows } from '@bascule/store/history-union.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import type { PairParts } from './pair-parts.ts';

/** Tables whose rows are history: united by id. Everything else is configuration, and the primary's. */
const HISTORY_TABLES = ['access_sessions'];
const FETCH_LIMIT_MS = 30 * 60_000;

export class HistoryTaking {
  readonly #parts: PairParts;
  #running: Promise<void> | undefined;

  constructor(parts: PairParts) {
    this.#parts = parts;
  }

  /** The other side offers archives: takes them one after another, in the background; what fails is tried again when it offers the next time. */
  offered(archives: NonNullable<PairStateAnswer['archives']>): void {
    if (archives.length === 0 || !this.#parts.records.serves) return;
    this.#running ??= this.#takeAll(archives)
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, 'failover.history-not-taken'))
      .finally(() => (this.#running = undefined));
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  async #takeAll(archives: NonNullable<PairStateAnswer['archives']>): Promise<void> {
    const { config } = this.#parts;
    mkdirSync(config.paths.pairWork, { recursive: true, mode: 0o700 });
    for (const archive of archives) await this.#take(archive);
  }

  async #take({ id, bytes, sha256 }: NonNullable<PairStateAnswer['archives']>[number]): Promise<void> {
    const { config, dial, database, log } = this.#parts;
    const file = join(config.paths.pairWork, `archive-${sha256}.db`);
    const have = existsSync(file) ? statSync(file).size : 0;
    if (have < bytes) await dial.download(`/archives/${id}`, file, have, () => undefined, AbortSignal.timeout(FETCH_LIMIT_MS));
    try {
      if ((await sha256OfFile(file)) !== sha256) throw new Error('the archive came with errors');
      const { store } = database;
      if (store === undefined || store.isFollower) return;
      using reader = openReader(file);
      const merged = await mergeAudit(store, SYSTEM, reader);
      const rows = await unionRows(store, SYSTEM, reader, HISTORY_TABLES);
      log.info({ events: merged.events, rows, left: merged.left }, 'failover.history-taken');
    } finally {
      rmSync(file, { force: true });
    }
    await dial.request('POST', `/archives/${id}/taken`);
  }
}
