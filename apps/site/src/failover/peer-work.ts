/** Work that a plan at one side wants done at the other: begun once, and asked for until it is done (POST `/work/<kind>`). */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { peerRefused, peerUnreachable } from './failover-errors.ts';
import { compare, pullChanges, type PairDone } from './pair-orders.ts';
import type { WorkKind } from './pair-requests.ts';
import type { Pair } from './pair.ts';

const ASK_INTERVAL_MS = 500;
const WORK_LIMIT_MS = 15 * 60_000;
/** The outcome is kept for whoever asks again after its answer was lost. */
const KEPT_MS = 10_000;

const workAnswer = z.object({
  outcome: z.enum(['done', 'running', 'failed']),
  error: z.string().optional(),
  /** Absent while it runs, and where there is nothing to tell. */
  result: z.unknown().optional(),
});

export class PeerWork {
  readonly #pair: Pair;
  readonly #running = new Map<WorkKind, { done: PairDone | undefined }>();

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** The other side wants it done here. */
  async begin(kind: WorkKind): Promise<PairDone> {
    const known = this.#running.get(kind);
    if (known !== undefined) return known.done ?? { outcome: 'running' };
    const running: { done: PairDone | undefined } = { done: undefined };
    this.#running.set(kind, running);
    void this.#do(kind).then((done) => {
      running.done = done;
      setTimeout(() => this.#running.delete(kind), KEPT_MS).unref();
    });
    return { outcome: 'running' };
  }

  /** Has it done there; resolves with the result. Throws `FAILOVER_PEER_UNREACHABLE`, or why it failed there. */
  async ask(kind: WorkKind): Promise<unknown> {
    const endMs = performance.now() + WORK_LIMIT_MS;
    while (performance.now() < endMs) {
      const { status, body } = await this.#pair.parts.dial.request('POST', `/work/${kind}`);
      const answer = workAnswer.safeParse(body);
      if (status !== 200 || !answer.success) throw peerRefused(undefined, undefined);
      if (answer.data.outcome === 'done') return answer.data.result;
      if (answer.data.outcome === 'failed') throw peerRefused(undefined, answer.data.error);
      await delay(ASK_INTERVAL_MS);
    }
    throw peerUnreachable();
  }

  async #do(kind: WorkKind): Promise<PairDone> {
    try {
      const result = await this.#work(kind);
      return { outcome: 'done', ...(result !== undefined && { result }) };
    } catch (error) {
      if (!(error instanceof AppError)) this.#pair.parts.log.error({ err: error, kind }, 'failover.work-failed');
      return { outcome: 'failed', error: error instanceof Error ? error.message : String(error) };
    }
  }

  async #work(kind: WorkKind): Promise<{ left: string[] } | void> {
    const name = this.#pair.parts.records.peer?.name ?? '';
    const context = { ...SYSTEM, actor: { ...SYSTEM.actor, name } };
    if (kind === 'pull') return await pullChanges(this.#pair);
    if (kind === 'compare') return await compare(this.#pair);
    if (kind === 'rehearse') return await this.#pair.options.rehearse();
    await this.#pair.roles.establishAgain(context);
  }
}
