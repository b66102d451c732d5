import type { LiveRecording } from './live-recordings.ts';
import type { PairData } from './pair-data.ts';

/** In an asynchronous pair the end of a session waits so long for a follower that is there. */
const ASYNC_LIMIT_MS = 1000;

/** Waits for the follower with what cannot be taken back: behind the end of a session its client forgets all (wire 4.12). */
export class PeerWait {
  readonly #live: LiveRecording;
  readonly #pair: Pick<PairData, 'waits' | 'hasFollower'>;
  #wake: () => void = () => {};

  constructor(live: LiveRecording, pair: Pick<PairData, 'waits' | 'hasFollower'>) {
    this.#live = live;
    this.#pair = pair;
  }

  /** The follower, or the pair, may have changed. */
  look(): void {
    this.#wake();
  }

  /** In a synchronous pair, until the follower has the whole recording or main says otherwise; in an asynchronous one only for a moment. */
  async untilCopied(): Promise<void> {
    const limitAtMs = performance.now() + ASYNC_LIMIT_MS;
    while (!this.#live.isCopied && this.#isAwaited(limitAtMs)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, ASYNC_LIMIT_MS);
      await promise;
      clearTimeout(timer);
    }
  }

  #isAwaited(limitAtMs: number): boolean {
    const { waits, hasFollower } = this.#pair;
    return waits === 'sync' || (waits === 'async' && hasFollower && performance.now() < limitAtMs);
  }
}
