import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { busy } from './failover-errors.ts';

export type Busy = NonNullable<FailoverState['busy']>;

/** One change of the relationship at a time: what is under way, for the page, and how the last one failed. */
export class Exclusive {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #changed: () => void;
  #busy: Busy | null = null;
  #ended: PromiseWithResolvers<void> | undefined;
  failed: { what: string; code: string; text: string; atMs: number } | null = null;

  constructor(options: { log: Log; now(): number; changed(): void }) {
    this.#log = options.log;
    this.#now = options.now;
    this.#changed = options.changed;
  }

  get busy(): Busy | null {
    return this.#busy;
  }

  /** Resolves when nothing is under way, or after `limitMs`. */
  async idle(limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    for (let leftMs = limitMs; this.#ended !== undefined && leftMs > 0; leftMs = endMs - performance.now())
      await Promise.race([this.#ended.promise, delay(leftMs, undefined, { ref: false })]);
  }

  /** Does `work` when nothing else is under way. Throws `FAILOVER_BUSY`, and what `work` throws. */
  async run<T>(
    what: string,
    work: (step: (step: string, done?: number, total?: number | null) => void) => Promise<T>,
  ): Promise<T> {
    if (this.#busy !== null) throw busy(this.#busy.what);
    const startedAtMs = this.#now();
    const step = (name: string, done = 0, total: number | null = null) => {
      this.#busy = { what, step: name, done, total, startedAtMs };
      this.#changed();
    };
    this.#ended = Promise.withResolvers();
    step('beginning');
    try {
      const result = await work(step);
      this.failed = null;
      return result;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.failed = { what, code: error instanceof AppError ? error.code : 'FAILED', text, atMs: this.#now() };
      this.#log.warn({ err: error, what }, 'failover.change-failed');
      throw error;
    } finally {
      this.#busy = null;
      this.#ended.resolve();
      this.#ended = undefined;
      this.#changed();
    }
  }
}
