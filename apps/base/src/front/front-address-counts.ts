import { addressKey } from '@bascule/core/address-key.ts';

/** Counts what each address (an IPv6 subscriber's /64 is one) has under way, and all together. An address that has nothing takes no memory. */
export class AddressCounts {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  get total(): number {
    return this.#total;
  }

  /** Counts one more; undefined when a limit is reached. The function returned gives it back, once. */
  take(address: string): (() => void) | undefined {
    const key = addressKey(address);
    const count = this.#counts.get(key) ?? 0;
    if (this.#total >= this.#max || count >= this.#maxPerAddress) return undefined;
    this.#counts.set(key, count + 1);
    this.#total++;
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#total--;
      const rest = (this.#counts.get(key) ?? 1) - 1;
      if (rest === 0) this.#counts.delete(key);
      else this.#counts.set(key, rest);
    };
  }
}
