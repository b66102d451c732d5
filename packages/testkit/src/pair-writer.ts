import { setTimeout as delay } from 'node:timers/promises';
import { createdName, groupNames } from './pair-changes.ts';
import type { PairSide } from './pair-scene.ts';

const EVERY_MS = 100;

/** Changes that are made at one appliance of a pair, one after the other, whenever it takes them; what was answered for is kept account of (I4). */
export class PairWriter implements AsyncDisposable {
  readonly acknowledged: string[] = [];
  readonly #side: PairSide;
  readonly #prefix: string;
  readonly #writing: Promise<void>;
  #isStopping = false;
  #count = 0;

  constructor(side: PairSide, prefix: string) {
    this.#side = side;
    this.#prefix = prefix;
    this.#writing = this.#write();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #write(): Promise<void> {
    while (!this.#isStopping) {
      this.#count += 1;
      const name = `${this.#prefix}-${this.#count}`;
      try {
        await createdName(this.#side, name);
        this.acknowledged.push(name);
      } catch {
        // It is the backup, it changes its role, or it is gone: nothing was answered for.
      }
      await delay(EVERY_MS);
    }
  }
}

/** Which of `names` are not there, as `side` tells it. */
export async function missingAt(side: PairSide, names: readonly string[]): Promise<string[]> {
  const there = await groupNames(side);
  return names.filter((name) => !there.has(name));
}
