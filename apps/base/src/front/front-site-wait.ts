import type { Preamble } from '@bascule/protocol/base-site.ts';
import type { LinkReceiver } from './front-hand-over.ts';
import { SITE_WAIT_MS, SWITCH_WAIT_MS, WAITING_REQUESTS_MAX } from './front-limits.ts';

/** A site program as the front door sees it. */
export interface SiteProgram extends LinkReceiver {
  /** Where it takes connections of browsers, preamble first (wire 2.1). */
  readonly socketPath: string;
  readonly ready: boolean;
  /** While this program takes over from another, or another from it: what arrives is held, and neither sent nor closed (absent: false). */
  readonly switching?: boolean;
  /** A request was sent to it; the function returned says, once, that its answer began or that there is none (absent: nobody counts). */
  requestSent?(): () => void;
  /** True as soon as the program is ready; false when it is not within `timeoutMs`. */
  whenReady(timeoutMs: number): Promise<boolean>;
}

export type Peer = Preamble;

/** Which program takes what arrives now. Another may take its place; what the earlier one has taken stays with it. */
export class SiteRoute {
  #program: SiteProgram;
  #replaced = Promise.withResolvers<void>();

  constructor(program: SiteProgram) {
    this.#program = program;
  }

  get program(): SiteProgram {
    return this.#program;
  }
  /** Resolves when another program takes this one's place, or something else happened that those who wait should look at. */
  get replaced(): Promise<void> {
    return this.#replaced.promise;
  }

  replace(program: SiteProgram): void {
    this.#program = program;
    this.wake();
  }

  wake(): void {
    const { resolve } = this.#replaced;
    this.#replaced = Promise.withResolvers<void>();
    resolve();
  }
}

/** Holds requests while a site program starts or is switched, so that a restart is a short wait and no error. */
export class SiteWait {
  #waiting = 0;
  readonly #waitMs: number;
  readonly #switchWaitMs: number;
  readonly #max: number;

  constructor(waitMs: number = SITE_WAIT_MS, switchWaitMs: number = SWITCH_WAIT_MS, max: number = WAITING_REQUESTS_MAX) {
    this.#waitMs = waitMs;
    this.#switchWaitMs = switchWaitMs;
    this.#max = max;
  }

  /** How much longer a request that arrived at `sinceMs` (performance.now()) may wait for the program of `route`. */
  leftMs(route: SiteRoute, sinceMs: number): number {
    return sinceMs + (route.program.switching === true ? this.#switchWaitMs : this.#waitMs) - performance.now();
  }

  /** The program that takes a request which arrived at `sinceMs`; undefined when none does in time, and at once when too many wait already. */
  async until(route: SiteRoute, sinceMs: number): Promise<SiteProgram | undefined> {
    if (takes(route.program)) return route.program;
    if (this.#waiting >= this.#max) return undefined;
    this.#waiting++;
    try {
      for (let leftMs; (leftMs = this.leftMs(route, sinceMs)) > 0;) {
        await nextNews(route, leftMs);
        if (takes(route.program)) return route.program;
      }
      return undefined;
    } finally {
      this.#waiting--;
    }
  }
}

function takes(program: SiteProgram): boolean {
  return program.ready && program.switching !== true;
}

/** The program is ready, another takes its place, its switch is over, or `limitMs` are. */
async function nextNews(route: SiteRoute, limitMs: number): Promise<void> {
  const { program } = route;
  if (!program.ready) return void (await Promise.race([program.whenReady(limitMs), route.replaced]));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([late, route.replaced]);
  clearTimeout(timer);
}
