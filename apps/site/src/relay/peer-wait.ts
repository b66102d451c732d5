import type { LiveRecording } from './live-recordings.ts';
import type { PairData } from './pair-data.ts';

/** In an asynchronous pair the end of a session waits so long for a follower that is there. */
const ASYNC_LIMIT_MS = 1000;

/** Waits for the follower with what cannot be taken back: behind the end of a session its client forgets all (wire 4.12). */
export class PeerWait {
  readonly #live: LiveRecording;
  readonly #pair: Pick<PairData, 'waits' | 'hasFollower'>;
  #wake: () => void = () => {};
  #isGivenUp = false;

  constructor(live: LiveRecording, pair: Pick<PairData, 'waits' | 'hasFollower'>) {
    this.#live = live;
    this.#pair = pair;
  }

  /** The follower, or the pair, may have changed. */
  look(): void {
    this.#wake();
  }

  /** Nobody is to be told from here any more. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#wake();
  }

  /** In a synchronous pair, until the follower has the whole recording or main says otherwise; in an asynchronous one only for a moment. False when it was given up. */
  async untilCopied(): Promise<boolean> {
    const limitAtMs = performance.now() + ASYNC_LIMIT_MS;
    while (!this.#isGivenUp && !this.#live.isCopied && this.#isAwaited(limitAtMs)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, ASYNC_LIMIT_MS);
      await promise;
      clearTimeout(timer);
    }
    return !this.#isGivenUp;
  }

  #isAwaited(limitAtMs: number): boolean {
    const { waits, hasFollower } = this.#pair;
    return waits === 'sync' || (waits === 'async' && hasFollower && performance.now() < limitAtMs);
  }
}
