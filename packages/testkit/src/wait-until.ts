import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;
/** What a test waits for another process at most, unless it says otherwise. */
export const WAIT_LIMIT_MS = 30_000;

/**
 * Waits until `read` gives something other than undefined, null or false (an error counts as 'not yet'), and answers that. For what another
 * process does without telling; otherwise await the event. Throws after `limitMs`, naming `what` and the last error.
 */
export async function waitUntil<T>(
  what: string,
  read: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  limitMs: number = WAIT_LIMIT_MS,
): Promise<T> {
  const giveUpAtMs = Date.now() + limitMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await read();
      if (value !== undefined && value !== null && value !== false) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= giveUpAtMs) throw new Error(`waited ${limitMs} ms in vain until ${what}`, { cause });
    await delay(POLL_MS);
  }
}
