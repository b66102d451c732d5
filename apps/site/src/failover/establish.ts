import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EstablishPreview, EstablishRequest } from '@bascule/protocol/api/failover.ts';
import type { Context } from '@bascule/store/store.ts';
import { AnsweringSide } from './establish-answering.ts';
import { AskingSide } from './establish-asking.ts';
import type { EstablishingOptions, PairPeer } from './establish-contract.ts';
import { readUnfinished } from './establish-store.ts';

export type { CertificateExchange, Established, EstablishingOptions, EstablishStep, PairPeer } from './establish-contract.ts';
export { ESTABLISH_STEPS } from './establish-contract.ts';
export { establishMigrations } from './establish-store.ts';

/** What is not finished is looked at again after this time. */
const SETTLE_INTERVAL_MS = 10_000;

/** Makes two appliances a pair (B142-B153; docs/spec/pair.md, 4), as the one that is meant to be primary and as the other. */
export class Establishing {
  readonly #options: EstablishingOptions;
  readonly #asking: AskingSide;
  readonly #answering: AnsweringSide;
  #timer: NodeJS.Timeout | undefined;
  #settling: Promise<void> | undefined;

  constructor(options: EstablishingOptions) {
    this.#options = options;
    this.#asking = new AskingSide(options);
    this.#answering = new AnsweringSide(options);
  }

  /** Looks at everything that establishing needs, both ways, and changes nothing on either side. Takes seconds; never throws because of what it finds. */
  preview(request: EstablishRequest): Promise<EstablishPreview> {
    return this.#asking.preview(request);
  }

  /**
   * Establishes with this appliance as the primary: the same looks again, keys handed over once, then both become a pair. Resolves when it is decided: if the other side
   * cannot be told at once, it is told as soon as it can be reached (`unfinished`). Throws `FAILOVER_CHECKS_FAILED`, `FAILOVER_ESTABLISH_BUSY`,
   * `FAILOVER_ESTABLISH_CANCELLED`, `PAIR_UNREACHABLE`; both sides stay as they were then.
   */
  async establish(context: Context, request: EstablishRequest): Promise<PairPeer> {
    // What an earlier one has left to be told is told first, if the other side can be reached: nobody waits for the next look.
    if (this.unfinished()?.side === 'asking') await this.settle();
    return await this.#asking.establish(context, request);
  }

  /** Ends what is under way and not decided yet: `establish` throws then. False when there was nothing, or it was decided already. */
  cancel(): boolean {
    return this.#asking.cancel();
  }

  /** What is under way, for pages; null: nothing. `peer` is the other side's name, when it is known. */
  unfinished(): { side: 'asking' | 'answering'; phase: string; peer: string; sinceMs: number } | null {
    const [row] = readUnfinished(this.#options.store);
    if (row === undefined) return null;
    const { name } = JSON.parse(row.peer) as PairPeer;
    return { side: row.side, phase: row.phase, peer: name, sinceMs: row.changedAtMs };
  }

  /** Answers `/establish/*`, of strangers too. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.#answering.answer(request, response);
  }

  /**
   * After a start, before it is decided what is served: a backup that was cut while it took everything over goes on (`adopt` is called again). From then on whatever is
   * not finished is settled in the background.
   */
  async resume(): Promise<void> {
    await this.#answering.resume();
    this.#timer ??= setInterval(() => void this.settle(), SETTLE_INTERVAL_MS).unref();
    void this.settle();
  }

  /** Goes on with what is not finished, both as primary and as backup; never throws. */
  settle(): Promise<void> {
    this.#settling ??= Promise.all([this.#asking.settle(), this.#answering.settle()])
      .then(() => undefined)
      .finally(() => (this.#settling = undefined));
    return this.#settling;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#asking.close();
    this.#answering.close();
  }
}
