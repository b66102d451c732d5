import type { Preamble } from '@bascule/protocol/base-site.ts';
import type { LinkReceiver } from './front-hand-over.ts';
import { SITE_WAIT_MS, WAITING_REQUESTS_MAX } from './front-limits.ts';

/** A site program as the front door sees it. */
export interface SiteProgram extends LinkReceiver {
  /** Where it takes connections of browsers, preamble first (wire 2.1). */
  readonly socketPath: string;
  readonly ready: boolean;
  /** True as soon as the program is ready; false when it is not within `timeoutMs`. */
  whenReady(timeoutMs: number): Promise<boolean>;
}

export type Peer = Preamble;

/** Holds requests while a site program starts, so that a restart is a short wait and no error. */
export class SiteWait {
  #waiting = 0;
  readonly #waitMs: number;
  readonly #max: number;

  constructor(waitMs: number = SITE_WAIT_MS, max: number = WAITING_REQUESTS_MAX) {
    this.#waitMs = waitMs;
    this.#max = max;
  }

  /** The end of the wait of a request that arrives now, for `until`. */
  deadlineMs(): number {
    return performance.now() + this.#waitMs;
  }

  /** Whether `program` is ready before `deadlineMs`; false at once when too many wait already. */
  async until(program: SiteProgram, deadlineMs: number): Promise<boolean> {
    if (program.ready) return true;
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0 || this.#waiting >= this.#max) return false;
    this.#waiting++;
    try {
      return await program.whenReady(leftMs);
    } finally {
      this.#waiting--;
    }
  }
}
