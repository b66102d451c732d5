import { notConfirmed, notWriting, peerTooSlow } from './failover-errors.ts';
import type { PairLease } from './pair-lease.ts';
import type { PairParts } from './pair-parts.ts';

/** Whether this side may write just now, and answer for what it has written (I4, I5; docs/decisions/0187, 0204). */
export class ReplyGate {
  readonly #parts: () => PairParts;
  readonly #lease: () => PairLease;
  #isWritingHeld = false;
  #isOverruled = false;

  constructor(parts: () => PairParts, lease: () => PairLease) {
    this.#parts = parts;
    this.#lease = lease;
  }

  get isWriting(): boolean {
    return !this.#isWritingHeld;
  }

  /** Nothing is written until `false`: the last entries are on their way, or somebody else has the site. */
  holdWriting(isHeld: boolean): void {
    this.#isWritingHeld = isHeld;
  }

  /** Somebody else is primary by a newer word: nothing is written, and no reply to what was is given, until `false`. */
  overrule(isOverruled: boolean): void {
    this.#isOverruled = isOverruled;
    this.holdWriting(isOverruled);
  }

  /** Store option: throws while this side must not write. */
  mayWrite(): void {
    const { records, gate } = this.#parts();
    if (this.#isWritingHeld || !records.serves) throw notWriting();
    if (gate.isFull) throw peerTooSlow();
    this.#lease().assertHeld();
  }

  /**
   * For replies of the site: resolves when the reply to what was changed until now may be given. Rejects with `FAILOVER_NOT_CONFIRMED` when this side is, or becomes meanwhile, no
   * primary any more: the other one may lack the change. Rejects as `Lease.assertHeld`.
   */
  async beforeReply(): Promise<void> {
    const { records, gate } = this.#parts();
    const { epoch } = records.self;
    const check = () => {
      if (this.#isOverruled || !records.serves || records.self.epoch !== epoch) throw notConfirmed();
    };
    check();
    await gate.beforeReply();
    check();
    // What was written while the lease was held is told to nobody once it is not.
    this.#lease().assertHeld();
  }
}
