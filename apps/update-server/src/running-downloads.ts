import type { ServerResponse } from 'node:http';
import { addressKey } from '@bascule/core/address-key.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** Files that are sent at the same time, over all addresses; more are asked to come back. */
export const DOWNLOADS_MAX = 200;
/** Of these one address may have so many: a few who read slowly must not take every place. */
export const DOWNLOADS_OF_ADDRESS_MAX = 50;
const COME_BACK_SECONDS = 30;

/** Counts the downloads that run. */
export class RunningDownloads {
  readonly #running = new Map<string, number>();
  #total = 0;

  /** Takes a place for `response` until it is closed, however it ends. Throws TOO_MANY_DOWNLOADS. */
  take(address: string, response: ServerResponse): void {
    const key = addressKey(address);
    const ofAddress = this.#running.get(key) ?? 0;
    if (this.#total >= DOWNLOADS_MAX) throw busy(`${DOWNLOADS_MAX} downloads are running`);
    if (ofAddress >= DOWNLOADS_OF_ADDRESS_MAX) throw busy(`${DOWNLOADS_OF_ADDRESS_MAX} downloads from your address are running`);
    // Whoever has gone already is never heard to go.
    if (response.destroyed) return;
    this.#total += 1;
    this.#running.set(key, ofAddress + 1);
    response.once('close', () => this.#free(key));
  }

  #free(key: string): void {
    this.#total -= 1;
    const left = (this.#running.get(key) ?? 1) - 1;
    if (left === 0) this.#running.delete(key);
    else this.#running.set(key, left);
  }
}

function busy(what: string): AppError {
  return new AppError('unavailable', 'TOO_MANY_DOWNLOADS', `${what}; come back in ${COME_BACK_SECONDS} s.`, {
    retryAfterSeconds: COME_BACK_SECONDS,
  });
}
