import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Consumers that are kept; the one that was silent for longest goes first. */
export const CONSUMERS_MAX = 100;
/** Who was not seen for so long is not named any more. */
export const CONSUMER_LIFE_MS = 28 * 24 * 60 * 60_000;
const NAME_MAX_CHARACTERS = 100;

/**
 * Who asks the site by an IP address instead of its name: after a swap they ask the other appliance, or nobody (B135). Known since base was started; a
 * program is told by its user agent.
 */
export class AddressConsumers {
  /** By user agent and address, the one seen last at the end. */
  readonly #seen = new Map<string, { name: string; address: string; atMs: number }>();

  /** Looks at one request for the site, from `address`. */
  note(headers: IncomingHttpHeaders, address: string, nowMs: number): void {
    if (!isAddress(headers.host)) return;
    const name = (headers['user-agent'] ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, NAME_MAX_CHARACTERS);
    const key = `${address} ${name}`;
    this.#seen.delete(key);
    this.#seen.set(key, { name, address, atMs: nowMs });
    if (this.#seen.size <= CONSUMERS_MAX) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      break;
    }
  }

  /** Those of the last four weeks, the last one first. */
  list(nowMs: number = Date.now()): { name: string; address: string }[] {
    return [...this.#seen.values()]
      .filter(({ atMs }) => nowMs - atMs < CONSUMER_LIFE_MS)
      .map(({ name, address }) => ({ name, address }))
      .toReversed();
  }
}

/** Whether a Host header names an address, other than this machine's own to itself. */
function isAddress(host: string | undefined): boolean {
  if (host === undefined) return false;
  const bare = /^\[([0-9a-f:.]+)\](?::\d+)?$/i.exec(host)?.[1] ?? host.replace(/:\d+$/, '');
  return isIP(bare) !== 0 && bare !== '::1' && !bare.startsWith('127.');
}
