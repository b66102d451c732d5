import type { LockOutRules } from '@bascule/protocol/api/security.ts';

/** An account is locked at as many failures in a row as its rules say: for this long, twice as long at each further one, at most as long as they say. */
export const ACCOUNT_LOCK_FIRST_MS = 30_000;
const MINUTE_MS = 60_000;
/** The same for an address, whatever names it tries: many people may share one. */
export const ADDRESS_FAILURES_FREE = 30;
export const ADDRESS_LOCK_FIRST_MS = 10_000;
export const ADDRESS_LOCK_LONGEST_MS = 15 * 60_000;
/** Failures of an address are forgotten when it was quiet for this long. */
export const ADDRESS_MEMORY_MS = 60 * 60_000;
const ADDRESSES_LIMIT = 10_000;

/** How long the lock after failure number `failures` lasts; 0: none. */
export function lockMs(failures: number, limits: { free: number; firstMs: number; longestMs: number }): number {
  if (failures < limits.free) return 0;
  return Math.min(limits.longestMs, limits.firstMs * 2 ** Math.min(30, failures - limits.free));
}

/** When an account that has failed `failures` times in a row may try again; null: at once. */
export function accountLockedUntil(failures: number, nowMs: number, { attempts, longestMinutes }: LockOutRules): number | null {
  const forMs = lockMs(failures, {
    free: attempts,
    firstMs: ACCOUNT_LOCK_FIRST_MS,
    longestMs: longestMinutes * MINUTE_MS,
  });
  return forMs === 0 ? null : nowMs + forMs;
}

/** Failures by address, in bounded memory. */
export class AddressFailures {
  readonly #failures = new Map<string, { count: number; lockedUntilMs: number; atMs: number }>();

  /** Milliseconds until `address` may try again; 0: now. */
  waitMs(address: string, nowMs: number): number {
    return Math.max(0, (this.#failures.get(address)?.lockedUntilMs ?? 0) - nowMs);
  }

  note(address: string, nowMs: number): void {
    const known = this.#failures.get(address);
    const count = known !== undefined && nowMs - known.atMs < ADDRESS_MEMORY_MS ? known.count + 1 : 1;
    const forMs = lockMs(count, {
      free: ADDRESS_FAILURES_FREE,
      firstMs: ADDRESS_LOCK_FIRST_MS,
      longestMs: ADDRESS_LOCK_LONGEST_MS,
    });
    this.#failures.delete(address);
    this.#failures.set(address, { count, lockedUntilMs: nowMs + forMs, atMs: nowMs });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > ADDRESSES_LIMIT && oldest !== undefined) this.#failures.delete(oldest);
  }

  forget(address: string): void {
    this.#failures.delete(address);
  }
}
