import type { ServerResponse } from 'node:http';
import { addressKey } from '@bascule/core/address-key.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** A response that takes no byte for so long is cut: slow readers must not hold every place. */
const STALLED_LIMIT_MS = 60_000;
const RETRY_AFTER_SECONDS = 10;

/** Downloads without a login (parcels of consoles, what endpoints install from) at one time: of one address half of the connections that the front door lets it have. */
export const PUBLIC_STREAMS = { inAll: 1024, perAddress: 256 };

/** Bounds the long responses that are under way at one time: all of them, and those to one address (addressKey). */
export class StreamLimit {
  readonly #inAll: number;
  readonly #perAddress: number;
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor({ inAll, perAddress }: { inAll: number; perAddress: number }) {
    this.#inAll = inAll;
    this.#perAddress = perAddress;
  }

  /** Gives `response` a place until it is closed. Throws `DOWNLOADS_BUSY` (503, with Retry-After) when there is none. */
  enter(address: string | undefined, response: ServerResponse): void {
    const key = addressKey(address ?? '');
    const count = this.#counts.get(key) ?? 0;
    if (this.#total >= this.#inAll || count >= this.#perAddress)
      throw new AppError(
        'unavailable',
        'DOWNLOADS_BUSY',
        'Too many downloads are under way at the moment: try again in a few seconds.',
        {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        },
      );
    this.#counts.set(key, count + 1);
    this.#total += 1;
    response.setTimeout(STALLED_LIMIT_MS, () => response.destroy());
    response.once('close', () => {
      const left = (this.#counts.get(key) ?? 1) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
      this.#total -= 1;
    });
  }
}
