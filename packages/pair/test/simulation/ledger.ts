/** What was answered, by whom, and what came of it: here the rules are checked (I4, I5). */
import type { World } from './world.ts';

export interface Entry {
  epoch: number;
  at: number;
  seq: number;
  ackedAt: number | undefined;
}

export interface Writer {
  node: number;
  epoch: number;
  log: Entry[];
  holds: boolean;
  isAlone: boolean;
  /** By the peer's promise, after the witness' own lease has ended. */
  isPromised: boolean;
}

/** In async mode nothing is lost that was answered longer before the last answer than this: lag limit, a look at it, and one lease on a slow clock. */
export const ASYNC_LOSS_MAX_MS = 1000 + 200 + 3000 + 250;

export interface Figures {
  answers: number;
  answersAlone: number;
  answersPromised: number;
  takeovers: number;
  forced: number;
  /** Of both sides at once, after a person forced one while nobody reached the other. */
  doubleByForce: number;
  lostAsync: number;
}

export class Ledger {
  readonly violations: string[] = [];
  readonly figures: Figures = {
    answers: 0,
    answersAlone: 0,
    answersPromised: 0,
    takeovers: 0,
    forced: 0,
    doubleByForce: 0,
    lostAsync: 0,
  };
  readonly #world: World;
  readonly #isSync: boolean;
  #writers: readonly Writer[] = [];
  #kept: Entry[] = [];
  #forcedEpoch = 0;
  #newestEpoch = 0;
  readonly #holderOf = new Map<number, number>();
  #lastAnswer = { at: 0, node: 0 };

  constructor(world: World, isSync: boolean) {
    this.#world = world;
    this.#isSync = isSync;
  }

  watch(writers: readonly Writer[]): void {
    this.#writers = writers;
  }

  get lastAnswerAt(): number {
    return this.#lastAnswer.at;
  }

  /** `writer` answered for `entry`. */
  acked(writer: Writer, entry: Entry): void {
    const { now } = this.#world;
    const isForgiven = writer.isAlone && entry.epoch < this.#forcedEpoch;
    const other = this.#writers[1 - writer.node]!;
    if (entry.epoch < this.#newestEpoch || (other.holds && other.epoch > entry.epoch)) {
      if (isForgiven) this.figures.doubleByForce += 1;
      else
        this.#violated(
          `two writers: ${writer.node} answered in epoch ${entry.epoch} after epoch ${Math.max(this.#newestEpoch, other.epoch)} had begun`,
        );
    } else if (other.holds && !(other.isAlone && other.epoch < this.#forcedEpoch)) {
      this.#violated(
        `two holders: ${other.node} (epoch ${other.epoch}) still holds while ${writer.node} answers in epoch ${entry.epoch}`,
      );
    }
    const holder = this.#holderOf.get(entry.epoch) ?? writer.node;
    if (holder !== writer.node) this.#violated(`two writers of epoch ${entry.epoch}`);
    this.#holderOf.set(entry.epoch, writer.node);
    this.#newestEpoch = Math.max(this.#newestEpoch, entry.epoch);
    this.figures.answers += 1;
    if (writer.isAlone) this.figures.answersAlone += 1;
    if (writer.isPromised) this.figures.answersPromised += 1;
    if (isForgiven) return;
    entry.ackedAt = now;
    this.#lastAnswer = { at: now, node: writer.node };
    this.#kept.push(entry);
  }

  /** `writer` became primary: what was answered for has to be in its log. */
  tookOver(writer: Writer, isForced: boolean): void {
    // It slept while a person forced the other side, and does not know yet.
    if (writer.isAlone && writer.epoch < this.#forcedEpoch) return;
    this.figures.takeovers += 1;
    const has = new Set(writer.log);
    const missing = this.#kept.filter((entry) => !has.has(entry));
    this.#kept = this.#kept.filter((entry) => has.has(entry));
    if (isForced) {
      this.figures.forced += 1;
      this.#forcedEpoch = writer.epoch;
    } else if (this.#isSync) {
      if (missing.length > 0)
        this.#violated(`${missing.length} answered changes lost in sync mode by the takeover of ${writer.node}`);
    } else this.#lostAsync(missing);
  }

  #lostAsync(missing: Entry[]): void {
    this.figures.lostAsync += missing.length;
    const oldest = missing[0]?.ackedAt;
    const { at, node } = this.#lastAnswer;
    // While it stood still it answered nothing: such time does not count.
    const stoodStill = Math.max(this.#world.pausedUntil[node]!, this.#world.mainStuckUntil[node]!);
    if (oldest !== undefined && at - oldest > ASYNC_LOSS_MAX_MS && stoodStill < oldest)
      this.#violated(`${Math.round(at - oldest)} ms of answers lost in async mode`);
  }

  /** After everything was healed for a while. */
  ended(): void {
    const holders = this.#writers.filter((writer) => writer.holds);
    if (holders.length !== 1) this.#violated(`${holders.length} sides hold the lease after everything was healed`);
    if (this.#world.now - this.#lastAnswer.at > 1500) this.#violated('nobody serves after everything was healed');
    const [holder] = holders;
    if (holder === undefined || !this.#isSync) return;
    const has = new Set(holder.log);
    if (this.#kept.some((entry) => !has.has(entry))) this.#violated('answered changes are missing in the end');
  }

  #violated(what: string): void {
    this.violations.push(`at ${Math.round(this.#world.now)} ms: ${what}`);
  }
}
