/** How a viewer notices that an appliance of a pair hangs, or is cut off, while its system still answers for it. Runs in browsers. */
import { VIEWER_SILENT_BEATS } from '@bascule/protocol/data-link.ts';

/** Silence is looked for so often in one beat. */
const LOOKS_PER_BEAT = 4;

/** Watches one link at a time, on which something is said at least each beat (wire 4.15). */
export class BeatWatch {
  #beatMs: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #silentLooks = 0;

  /** Whether the last link came from a pair: then another appliance may answer the next try. */
  get areExpected(): boolean {
    return this.#beatMs !== undefined;
  }

  /** A link stands; `silent` is called once when nothing is heard on it for too long. With `undefined` nothing is watched. */
  expect(beatMs: number | undefined, silent: () => void): void {
    this.stop();
    this.#beatMs = beatMs;
    if (beatMs === undefined) return;
    // Counted in looks: a page that was stopped itself first reads what came meanwhile.
    this.#silentLooks = 0;
    this.#timer = setInterval(() => {
      if (++this.#silentLooks <= VIEWER_SILENT_BEATS * LOOKS_PER_BEAT) return;
      this.stop();
      silent();
    }, beatMs / LOOKS_PER_BEAT);
  }

  /** Something came. */
  heard(): void {
    this.#silentLooks = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Resolves and rejects as `work`, but rejects after `limitMs`. */
export async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('Nothing came in time.')), limitMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
