import { AppError } from '@bascule/errors/app-error.ts';

/** Lets so many do something at one time; the others wait for their turn, in order, and more than `waitingMax` are refused. */
export class Turns {
  readonly #max: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(options: { max: number; waitingMax: number }) {
    this.#max = options.max;
    this.#waitingMax = options.waitingMax;
  }

  /** Does `work`, which limits its own time, when its turn has come. Throws `REHEARSAL_TUNNELS_LIMIT`, and what `work` throws. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#max) await this.#turn();
    else this.#taken += 1;
    try {
      return await work();
    } finally {
      // The turn goes over to whoever waits longest.
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken -= 1;
      else next();
    }
  }

  async #turn(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax)
      throw new AppError('limited', 'REHEARSAL_TUNNELS_LIMIT', 'Too much is under way in the test of the standby.');
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
