/** Asks the other side how it is, every two seconds and whatever the roles are (docs/spec/pair.md, 3): who reaches whom, who is what, whose clock. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import { PAIR_SILENCE_LIMIT_MS, pairStateAnswer, type PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import type { PairDial } from './pair-dial.ts';

export const ASK_INTERVAL_MS = 2000;
const ANSWER_LIMIT_MS = 4000;
/** Whoever has to know at once asks again after this. */
const ASK_AGAIN_MS = 100;

/** How quickly a silent peer is noticed. */
export interface PairTiming {
  askIntervalMs: number;
  silenceMs: number;
  conflictAfterMs: number;
  /** For what is signed over and has not come yet. */
  lastEntriesMs?: number;
}

export interface PeerWatchOptions {
  dial: PairDial;
  /** Shorter for tests. */
  timing?: PairTiming | undefined;
  /** There is a peer to ask. */
  isPaired(): boolean;
  /** An answer has come. */
  heard(state: PairStateAnswer): void;
  /** The peer is reachable now, or is not any more. */
  changed(isReachable: boolean): void;
  log: Log;
  now(): number;
}

export class PeerWatch {
  readonly #options: PeerWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<boolean> | undefined;
  #askingAnew: Promise<boolean> | undefined;
  #lastAnswerMs = -Infinity;
  #isReachable = false;
  /** The last answer, however old. */
  state: PairStateAnswer | undefined;
  /** Its clock less ours. */
  clockOffsetMs: number | null = null;
  lastContactAtMs: number | null = null;
  /** When `state` was asked for (monotonic): it may be as old as that. */
  askedMs = -Infinity;

  constructor(options: PeerWatchOptions) {
    this.#options = options;
  }

  get isReachable(): boolean {
    return this.#isReachable;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#askOnce(), this.#options.timing?.askIntervalMs ?? ASK_INTERVAL_MS);
    void this.#askOnce();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Another peer, with which this side has just spoken to establish the relationship: what is known of an earlier one is forgotten, and it counts as reachable until it is silent. */
  meet(): void {
    this.state = undefined;
    this.clockOffsetMs = null;
    this.lastContactAtMs = this.#options.now();
    this.#lastAnswerMs = performance.now();
    this.#look();
  }

  /** Asks now; whether it answered. What was asked before the call may be answered with what was so before it: then it is asked anew, unless nobody answers. Never throws. */
  ask(): Promise<boolean> {
    if (this.#asking === undefined) return this.#askOnce();
    this.#askingAnew ??= this.#asking.then((isAnswered) => {
      this.#askingAnew = undefined;
      return isAnswered ? this.#askOnce() : false;
    });
    return this.#askingAnew;
  }

  /** As `ask`, of one that is not called away for a single question without an answer: it is asked again until it answers, or counts as unreachable. */
  async answers(): Promise<boolean> {
    while (!(await this.ask())) {
      if (!this.#isReachable) return false;
      await delay(ASK_AGAIN_MS);
    }
    return true;
  }

  #askOnce(): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<boolean> {
    const { dial, isPaired, heard, log, now } = this.#options;
    if (!isPaired()) return false;
    const askedMs = performance.now();
    try {
      const { status, body } = await dial.request('GET', '/state', undefined, { timeoutMs: ANSWER_LIMIT_MS });
      const parsed = pairStateAnswer.safeParse(body);
      if (status !== 200 || !parsed.success) {
        log.warn({ status, field: parsed.error?.issues[0]?.path.join('.') }, 'failover.peer-state-unreadable');
        this.#look();
        return false;
      }
      const wayMs = (performance.now() - askedMs) / 2;
      this.#lastAnswerMs = performance.now();
      this.lastContactAtMs = now();
      this.clockOffsetMs = Math.round(parsed.data.timeMs + wayMs - now());
      this.state = parsed.data;
      this.askedMs = askedMs;
      this.#look();
      heard(parsed.data);
      return true;
    } catch (error) {
      log.debug({ err: error }, 'failover.peer-silent');
      this.#look();
      return false;
    }
  }

  #look(): void {
    const isReachable = performance.now() - this.#lastAnswerMs < (this.#options.timing?.silenceMs ?? PAIR_SILENCE_LIMIT_MS);
    if (isReachable === this.#isReachable) return;
    this.#isReachable = isReachable;
    this.#options.changed(isReachable);
  }
}
