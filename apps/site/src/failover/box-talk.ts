/** Questions of one base to the other, through both site mains (POST `/box`). */
import { AppError } from '@bascule/errors/app-error.ts';
import { boxAnswer, type BoxAnswer, type BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Pair } from './pair.ts';

/** Our own base answers within this; what takes longer it begins, and is asked for again. */
const BASE_LIMIT_MS = 25_000;
/** The other side's base, with the way there and back. */
const PEER_LIMIT_MS = 30_000;
/** Questions that wait for our base at one time. */
const WAITING_MAX = 16;

export class BoxTalk {
  readonly #tell: (message: FromSite) => void;
  readonly #waiting = new Map<number, (answer: BoxAnswer) => void>();
  #nonce = 0;

  constructor(tell: (message: FromSite) => void) {
    this.#tell = tell;
  }

  /** Carries a question of our base to the other one. Never throws: what fails is in the answer. */
  async askPeer(pair: Pair | undefined, question: BoxQuestion): Promise<BoxAnswer> {
    try {
      if (pair === undefined) throw unreachable();
      const { status, body } = await pair.parts.dial.request('POST', '/box', question, { timeoutMs: PEER_LIMIT_MS });
      const answer = boxAnswer.safeParse(body);
      if (status !== 200 || !answer.success) throw unreachable();
      return answer.data;
    } catch (error) {
      const { code, message } = error instanceof AppError ? error : unreachable();
      return { ok: false, error: { code, message } };
    }
  }

  /** A question of the other base, for ours. */
  async peerAsks(peer: string, question: BoxQuestion): Promise<BoxAnswer> {
    if (this.#waiting.size >= WAITING_MAX) return refusal('PEER_BUSY', 'The base of the other appliance is busy: ask again.');
    this.#nonce += 1;
    const nonce = this.#nonce;
    const { promise, resolve } = Promise.withResolvers<BoxAnswer>();
    this.#waiting.set(nonce, resolve);
    const timer = setTimeout(
      () => resolve(refusal('PEER_TIMEOUT', 'The base of the other appliance did not answer in time: ask again.')),
      BASE_LIMIT_MS,
    );
    this.#tell({ kind: 'peer-asks', nonce, peer, question });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(nonce);
    }
  }

  /** What our base says to a question of the other. */
  answered(nonce: number, answer: BoxAnswer): void {
    this.#waiting.get(nonce)?.(answer);
  }
}

function refusal(code: string, message: string): BoxAnswer {
  return { ok: false, error: { code, message } };
}

function unreachable(): AppError {
  return new AppError('unavailable', 'PEER_UNREACHABLE', 'The other appliance cannot be asked now.');
}
