import type { Log } from '@bascule/log/log.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import type { PairRefusal } from './pair-door.ts';

/** One event for each reason in this time, with how many there were. */
const AUDIT_INTERVAL_MS = 60_000;

export type RefusalReason = PairRefusal | 'wrong-proof' | 'wrong-seal';

const refused = defineAuditEvent<{ count: number; why: string; address: string }>(
  'PAIR_STRANGER_REFUSED',
  'Refused {count:connection,connections} to the pair link ({why}), the last from {address}',
);

/** Writes refusals of the pair link into the audit, at a bounded rate: the first at once, those that follow counted together. */
export class PairRefusals {
  readonly #options: { store: Store; log: Log; now?: () => number };
  readonly #kinds = new Map<RefusalReason, { atMs: number; count: number; address: string; timer: NodeJS.Timeout | undefined }>();

  /** `store` is pair.db. */
  constructor(options: { store: Store; log: Log; now?: () => number }) {
    this.#options = options;
  }

  note(why: RefusalReason, address: string): void {
    const nowMs = (this.#options.now ?? Date.now)();
    const kind = this.#kinds.get(why) ?? { atMs: -Infinity, count: 0, address, timer: undefined };
    this.#kinds.set(why, kind);
    kind.count += 1;
    kind.address = address;
    if (nowMs - kind.atMs >= AUDIT_INTERVAL_MS) return this.#write(why);
    kind.timer ??= setTimeout(() => this.#write(why), AUDIT_INTERVAL_MS).unref();
  }

  /** Writes what was counted and not written yet. */
  close(): void {
    for (const why of this.#kinds.keys()) this.#write(why);
  }

  #write(why: RefusalReason): void {
    const kind = this.#kinds.get(why);
    if (kind === undefined) return;
    clearTimeout(kind.timer);
    kind.timer = undefined;
    if (kind.count === 0) return;
    const { count, address } = kind;
    kind.count = 0;
    kind.atMs = (this.#options.now ?? Date.now)();
    try {
      this.#options.store.transact(SYSTEM, refused({ count, why, address }), () => undefined);
    } catch (error) {
      this.#options.log.error({ err: error, count, why }, 'pair-refusals-not-written');
    }
  }
}
