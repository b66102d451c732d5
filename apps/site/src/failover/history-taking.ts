/** The primary takes audit and finished sessions of what the other side has archived into the history that goes on (B136). */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import type { PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import { mergeAudit, unionRows } from '@bascule/store/history-union.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { peerRefused } from './failover-errors.ts';
import { checkSpace } from './free-space.ts';
import { historyLeft } from './failover-events.ts';
import type { PairParts } from './pair-parts.ts';

/** Tables whose rows are history: united by id. Everything else is configuration, and the primary's. */
const HISTORY_TABLES = ['access_sessions'];
const FETCH_LIMIT_MS = 30 * 60_000;
/** One that failed is fetched again after this, and then after twice as long each time. */
const RETRY_FIRST_MS = 2000;
const RETRY_MAX_MS = 60 * 60_000;
/** Archives that failed and are remembered; there are no more than four on offer. */
const FAILED_MAX = 64;

type Offer = NonNullable<PairStateAnswer['archives']>[number];

export class HistoryTaking {
  readonly #parts: PairParts;
  #running: Promise<void> | undefined;
  readonly #failed = new Map<string, { times: number; againMs: number }>();

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
    for (const archive of archives) await this.#tryOnce(archive);
  }

  /** One that cannot be had, or is not what was announced, is asked for more and more rarely, and holds up no other. */
  async #tryOnce(archive: Offer): Promise<void> {
    const { log } = this.#parts;
    const failed = this.#failed.get(archive.id);
    if (failed !== undefined && performance.now() < failed.againMs) return;
    try {
      await this.#take(archive);
      this.#failed.delete(archive.id);
    } catch (error) {
      const times = (failed?.times ?? 0) + 1;
      const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** (times - 1), RETRY_MAX_MS);
      if (this.#failed.size >= FAILED_MAX) this.#failed.clear();
      this.#failed.set(archive.id, { times, againMs: performance.now() + pauseMs });
      log.warn({ err: error, archive: archive.id, times, pauseMs }, 'failover.history-not-taken');
    }
  }

  async #take({ id, bytes, sha256 }: Offer): Promise<void> {
    const { config, dial, database, log } = this.#parts;
    const file = join(config.paths.pairWork, `archive-${sha256}.db`);
    let have = existsSync(file) ? statSync(file).size : 0;
    if (have > bytes) {
      await rm(file, { force: true });
      have = 0;
    }
    if (have < bytes) {
      await checkSpace(config.paths.pairWork, bytes - have);
      const signal = AbortSignal.timeout(FETCH_LIMIT_MS);
      const { status } = await dial.download(`/archives/${id}`, file, have, () => undefined, signal, bytes);
      if (status !== 200 && status !== 206)
        throw peerRefused(undefined, 'The other appliance does not have that archive any more.');
    }
    try {
      if ((await sha256OfFile(file)) !== sha256) throw new Error('the archive came with errors');
      const { store } = database;
      if (store === undefined || store.isFollower) return;
      using reader = openReader(file);
      const merged = await mergeAudit(store, SYSTEM, reader);
      const rows = await unionRows(store, SYSTEM, reader, HISTORY_TABLES);
      this.#noteLeft(merged.left);
      log.info({ events: merged.events, rows, left: merged.left }, 'failover.history-taken');
    } finally {
      await rm(file, { force: true });
    }
    await dial.request('POST', `/archives/${id}/taken`);
  }

  /** Audit chains that do not fit those that are here are in no history but that of the archive: people are told where. */
  #noteLeft(left: { appliance: string; epoch: number; reason: string }[]): void {
    const { records } = this.#parts;
    const { name = '' } = records.peer ?? {};
    for (const { appliance, epoch, reason } of left)
      records.store.transact(SYSTEM, historyLeft({ appliance, epoch, reason, peer: name }), () => undefined);
  }
}
