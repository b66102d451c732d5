/**
 * The thread of main that keeps the lease: the core of packages/pair, the link to the witness, and a timer. It goes on while main's loop is busy, and asks for nothing when
 * that loop has stood still for too long (docs/decisions/0183).
 */
import { parentPort, workerData } from 'node:worker_threads';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { must } from '@bascule/core/must.ts';
import { dueMs, heldUntilMs, stepLease } from '@bascule/pair/lease-core.ts';
import { openLease, type LeaseEffect, type LeaseInput, type LeaseState } from '@bascule/pair/lease-state.ts';
import { CELLS, HELD_FOR_EVER, type FromLeaseThread, type LeaseThreadData, type ToLeaseThread } from './lease-messages.ts';
import { WitnessLink } from './witness-link.ts';

/** The loop turns at least and at most this often when nothing else happens. */
const TICK_MOST_MS = 250;
const TICK_LEAST_MS = 10;

/** An input without its time, which is taken when it is heard. */
type Heard = LeaseInput extends infer I ? (I extends LeaseInput ? Omit<I, 'nowMs'> : never) : never;

class LeaseKeeper {
  readonly #cells: BigInt64Array;
  readonly #tell: (message: FromLeaseThread) => void;
  readonly #link: WitnessLink;
  #state: LeaseState;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(data: LeaseThreadData, tell: (message: FromLeaseThread) => void) {
    this.#cells = new BigInt64Array(data.cells);
    this.#tell = tell;
    this.#state = openLease({ ...data, nowMs: bootClockMs() });
    this.#link = new WitnessLink(data.access, {
      onUp: () => this.#hear({ kind: 'link-up' }),
      onDown: () => this.#hear({ kind: 'link-down' }),
      onAnswer: (answer) => this.#hear({ kind: 'answer', answer }),
    });
    this.#tick();
  }

  received(message: ToLeaseThread): void {
    // What this side has by now is said with the claim: it may have come since the last tick.
    if (message.kind === 'claim') this.#tick();
    if (message.kind !== 'close') return this.#hear(message);
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#link.close();
  }

  #tick(): void {
    const position = { seq: this.#number(CELLS.seq), peerSeq: this.#number(CELLS.peerSeq) };
    this.#hear({ kind: 'tick', aliveAtMs: this.#number(CELLS.aliveAt), position });
  }

  #number(cell: number): number {
    return Number(Atomics.load(this.#cells, cell));
  }

  #hear(heard: Heard): void {
    if (this.#isClosed) return;
    const nowMs = bootClockMs();
    const before = this.#state;
    const { state, effects } = stepLease(before, { ...heard, nowMs } as LeaseInput);
    this.#state = state;
    // Before anything is sent: a word to the witness may end what is held.
    this.#publish();
    for (const effect of effects) this.#perform(effect);
    if (before.recordedVersion !== state.recordedVersion) this.#tell({ kind: 'recorded' });
    const isAnswer = heard.kind === 'answer';
    if (isAnswer || before.link !== state.link) {
      this.#tell({ kind: 'status', link: state.link, isRefused: state.isRefused, isAnswer, record: state.record });
    }
    clearTimeout(this.#timer);
    const waitMs = Math.min(TICK_MOST_MS, Math.max(TICK_LEAST_MS, dueMs(state) - nowMs));
    this.#timer = setTimeout(() => this.#tick(), waitMs);
  }

  #publish(): void {
    const untilMs = heldUntilMs(this.#state);
    Atomics.store(this.#cells, CELLS.heldUntil, untilMs === Infinity ? HELD_FOR_EVER : BigInt(Math.floor(untilMs)));
    Atomics.store(this.#cells, CELLS.recordedVersion, BigInt(this.#state.recordedVersion));
  }

  #perform(effect: LeaseEffect): void {
    if (effect.kind === 'send') this.#link.send(effect.request);
    else if (effect.kind === 'drop-link') this.#link.drop();
    else this.#tell(effect);
  }
}

const port = must(parentPort, 'the parent port');
const keeper = new LeaseKeeper(workerData as LeaseThreadData, (message) => port.postMessage(message));
port.on('message', (message: ToLeaseThread) => {
  keeper.received(message);
  if (message.kind === 'close') port.close();
});
