import { hash, verify } from '@node-rs/argon2';
import * as errors from './account-errors.ts';

/** OWASP Password Storage Cheat Sheet: Argon2id, 19 MiB, two passes, one lane. `2` is Argon2id in a const enum, which type stripping cannot read. */
export const ARGON2 = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Hashes under way at once (each takes 19 MiB and a core), and how many may wait. */
export const HASHES_AT_ONCE = 2;
export const HASHES_WAITING = 32;

/** Hashes and checks passwords, a bounded number at once. More than may wait: `ACCOUNT_LOGIN_BUSY`. */
export class PasswordHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** Of a password nobody has: checked when there is no account, so that this takes as long as with one. */
  readonly #dummy: Promise<string>;

  constructor() {
    this.#dummy = hash(crypto.randomUUID(), ARGON2);
  }

  hash(password: string): Promise<string> {
    return this.#run(() => hash(password, ARGON2));
  }

  /** Whether `password` fits; false, after the same work, when there is no hash or an empty one. */
  verify(passwordHash: string | undefined, password: string): Promise<boolean> {
    return this.#run(async () => {
      if (passwordHash) return await verify(passwordHash, password);
      await verify(await this.#dummy, password);
      return false;
    });
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < HASHES_AT_ONCE) this.#running += 1;
    else if (this.#waiting.length >= HASHES_WAITING) throw errors.busy();
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place is handed on, not given back, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
