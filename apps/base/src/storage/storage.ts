import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { homePaths } from '@bascule/core/home.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import * as api from '@bascule/protocol/api/storage.ts';
import type { Context } from '@bascule/store/store.ts';
import { measureStorage, type UsageByKind } from './storage-measure.ts';

/** After the start, when nobody waits for the disk any more; then every quarter of an hour. */
export const FIRST_MEASURE_MS = 30_000;
export const MEASURE_INTERVAL_MS = 15 * 60_000;
/** What the relay leaves free: below it no new recording is begun (access-session, session-messages). */
const RECORDINGS_RESERVE_BYTES = 256 * 1024 * 1024;

export interface StorageOptions {
  paths: ReturnType<typeof homePaths>;
  /** Asks the site, which keeps recordings and reports; changes first what `change` says. Throws `SITE_UNAVAILABLE`, `SITE_REFUSED`. */
  retention(change?: { settings: api.Retention; context: Context }): Promise<api.RetentionState>;
  log: Log;
  now?: () => number;
}

/** Storage: what takes how much, what is kept free, and how long sessions' recordings and reports are kept. */
export class Storage {
  readonly #options: StorageOptions;
  readonly #closing = new AbortController();
  #usage: { atMs: number; kinds: UsageByKind } | undefined;
  #measuring: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: StorageOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timers = [
      setTimeout(() => void this.measure(), FIRST_MEASURE_MS).unref(),
      setInterval(() => void this.measure(), MEASURE_INTERVAL_MS).unref(),
    ];
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#closing.abort();
  }

  /** Measures anew, or waits for the measurement that is under way. Never rejects. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => (this.#measuring = undefined));
    return this.#measuring;
  }

  async state(): Promise<api.Storage> {
    const { paths } = this.#options;
    const { blocks, bavail, bsize } = await statfs(paths.home);
    const reserveBytes = statSync(join(paths.box, 'reserve'), { throwIfNoEntry: false })?.size ?? 0;
    return {
      path: paths.home,
      totalBytes: blocks * bsize,
      freeBytes: bavail * bsize,
      measuredAtMs: this.#usage?.atMs ?? null,
      measuring: this.#measuring !== undefined,
      usage: api.STORAGE_KINDS.map((kind) => ({ kind, ...(this.#usage?.kinds.get(kind) ?? { bytes: 0, files: 0 }) })),
      reserved: [
        { purpose: 'journal', bytes: reserveBytes, held: reserveBytes > 0 },
        { purpose: 'recordings', bytes: RECORDINGS_RESERVE_BYTES, held: bavail * bsize >= RECORDINGS_RESERVE_BYTES },
      ],
    };
  }

  routes(): AnyRoute[] {
    const { retention } = this.#options;
    return [
      route({ method: 'GET', url: '/storage', action: 'box.storage.read', answer: api.storage, handle: () => this.state() }),
      route({
        method: 'POST',
        url: '/storage/measure',
        action: 'box.storage.read',
        answer: api.storage,
        handle: () => {
          void this.measure();
          return this.state();
        },
      }),
      route({
        method: 'GET',
        url: '/storage/retention',
        action: 'box.storage.read',
        answer: api.retentionState,
        handle: () => retention(),
      }),
      route({
        method: 'PUT',
        url: '/storage/retention',
        action: 'box.storage.change',
        body: api.retention,
        answer: api.retentionState,
        handle: ({ body, context }) => retention({ settings: body, context }),
      }),
    ];
  }

  async #measure(): Promise<void> {
    const { paths, log, now = Date.now } = this.#options;
    try {
      const kinds = await measureStorage(paths, this.#closing.signal);
      this.#usage = { atMs: now(), kinds };
    } catch (error) {
      if (!this.#closing.signal.aborted) log.warn({ err: error }, 'storage.not-measured');
    }
  }
}
