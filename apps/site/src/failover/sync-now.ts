/** Sync Now, and the comparison of both sides, on a person's or a plan's order (B125, B152). */
import { setTimeout as delay } from 'node:timers/promises';
import { noPair, peerUnreachable, roleUnfit } from './failover-errors.ts';
import type { Pair } from './pair.ts';

/** Sync Now answers within this; copying goes on all the same. */
const SYNC_LIMIT_MS = 25_000;
/** How often it is looked whether the follower has compared, and how many times. */
const COMPARED_LOOK_MS = 250;
const COMPARED_LOOKS = 40;

export class SyncNow {
  readonly #pair: Pair;
  #differing: string[] | undefined;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** The follower found these tables to differ. */
  differs(tables: string[]): void {
    this.#differing = tables;
  }

  /** Compares all tables of both sides at one entry; false when changes came between. Throws when they differ, or nobody follows. */
  async compareNow(): Promise<boolean> {
    const { source, watch } = this.#pair.parts;
    if (!source.isFollowed) throw peerUnreachable();
    await watch.ask();
    const before = watch.state?.comparedAtMs ?? null;
    this.#differing = undefined;
    await source.compare();
    for (let look = 0; look < COMPARED_LOOKS; look += 1) {
      await delay(COMPARED_LOOK_MS);
      const differing = this.#foundDiffering();
      if (differing !== undefined) throw roleUnfit(`The copies differ in ${differing.join(', ')}: the backup takes a new copy.`);
      await watch.ask();
      if ((watch.state?.comparedAtMs ?? null) !== before) return true;
    }
    return false;
  }

  #foundDiffering(): string[] | undefined {
    return this.#differing;
  }

  /** B125, B152: everything that is there now is copied; on a backup it pulls, on a primary the backup is asked how far it is. Throws `FAILOVER_PEER_UNREACHABLE`. */
  async syncNow(): Promise<void> {
    const { records, sink, gate, database, source, watch } = this.#pair.parts;
    if (records.peer === undefined) throw noPair();
    if (!(await watch.ask())) throw peerUnreachable();
    if (records.serves) {
      const seq = database.store?.head().seq ?? 0;
      if (!source.isFollowed || !(await gate.whenAcked(seq, SYNC_LIMIT_MS))) throw peerUnreachable();
      await source.compare();
      this.#pair.copy.completed();
      return;
    }
    sink.hurry();
    await this.#pair.roles.handOver.whenCaughtUp(SYNC_LIMIT_MS);
  }
}
