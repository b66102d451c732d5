import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { PairState } from './known-epoch.ts';
import type { SitePair } from './site-pair.ts';

/** What this base answers to a question of the other base of the failover pair. */
export type PeerAsks = (peer: string, question: BoxQuestion) => Promise<BoxAnswer>;

/** What the mains of this host's versions say about the failover pair, and what they are answered. */
export class PairTalk {
  readonly #log: Log;
  readonly #states = new WeakMap<SitePair, PairState>();
  #handler: PeerAsks | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  set handler(handler: PeerAsks) {
    this.#handler = handler;
  }

  /** What main of `pair` said last; undefined while it has said nothing, and when it is gone. */
  stateOf(pair: SitePair): PairState | undefined {
    return this.#states.get(pair);
  }

  /** A version that takes over may say its first word before it is in force: it counts from then on. */
  note(pair: SitePair, state: PairState): void {
    this.#states.set(pair, state);
  }

  /** main of `pair` is gone, and what it said with it. */
  forget(pair: SitePair): void {
    this.#states.delete(pair);
  }

  async answer(pair: SitePair, { nonce, peer, question }: Extract<FromSite, { kind: 'peer-asks' }>): Promise<void> {
    let answer: BoxAnswer;
    try {
      if (this.#handler === undefined) throw new AppError('unavailable', 'PEER_BUSY', 'This appliance is starting; ask again.');
      answer = await this.#handler(peer, question);
    } catch (error) {
      this.#log.warn({ err: error, question: question.kind }, 'site.peer-not-answered');
      const { code, message } =
        error instanceof AppError ? error : { code: 'INTERNAL', message: 'The appliance could not answer; its log says why.' };
      answer = { ok: false, error: { code, message } };
    }
    pair.main.send({ kind: 'box-answered', nonce, answer });
  }
}
