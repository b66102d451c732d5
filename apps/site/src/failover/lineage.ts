/**
 * Two appliances of one site that know nothing of each other meet in what their clients bear (I5): a site that was restored says in every client record which histories it goes on from;
 * whoever is still in one of them writes no more once a client shows it (docs/decisions/0291).
 */
import type { Log } from '@bascule/log/log.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { roleChanged } from './failover-events.ts';
import type { PairParts } from './pair-parts.ts';
import type { Pair } from './pair.ts';
import { ancestorsIn } from './restored-history.ts';
import type { RoleChange } from './role-change.ts';
import { EPOCH_LEAP_MAX, ownStatement } from './statements.ts';

/** Histories that a record names; it has to stay short. */
export const REPLACED_NAMED_MAX = 8;

/** What a restored site says of itself in the records of its clients. */
export interface SiteLine {
  history: string;
  /** When it was restored. */
  sinceMs: number;
  /** Histories that it has taken the place of, the newest last. */
  replaces: string[];
}

/** What a client bears, signed by the site identity. */
export interface ShownLine extends SiteLine {
  epoch: number;
  appliance: string;
}

export interface LineageOptions {
  /** The pair, if it is open. */
  pair(): Pair | undefined;
  /** Opens it. */
  open(): Promise<Pair>;
  store(): Store | undefined;
  log: Log;
}

export class Lineage {
  readonly #options: LineageOptions;
  #isSuperseded = false;
  #isBusy = false;

  constructor(options: LineageOptions) {
    this.#options = options;
  }

  /** True from the moment at which a client showed a newer history, for as long as this program runs. */
  get isSuperseded(): boolean {
    return this.#isSuperseded;
  }

  /** For the records of clients; undefined: this site was never restored. */
  get line(): SiteLine | undefined {
    const records = this.#options.pair()?.parts.records;
    if (records === undefined) return undefined;
    const ancestors = ancestorsIn(records.store);
    if (ancestors.length === 0) return undefined;
    const sinceMs = ownStatement(records.self.statement)?.atMs ?? 0;
    return { history: records.self.history, sinceMs, replaces: ancestors.slice(-REPLACED_NAMED_MAX) };
  }

  /** A client bears a record of another history; its signature was checked. True: nothing is written here any more, and the client keeps what it has. */
  shown(shown: ShownLine): boolean {
    const own = this.#own();
    if (this.#isSuperseded) return true;
    if (shown.history === own.history) return false;
    if (own.ancestors.includes(shown.history)) {
      if (shown.epoch >= own.epoch && shown.epoch <= own.epoch + EPOCH_LEAP_MAX) void this.#raise(shown.epoch);
      return false;
    }
    if (!isReplacedBy(own, shown)) return false;
    this.#isSuperseded = true;
    void this.#giveWay(shown);
    return true;
  }

  #own(): { history: string; epoch: number; sinceMs: number; ancestors: string[] } {
    const records = this.#options.pair()?.parts.records;
    return {
      history: records?.self.history ?? '',
      epoch: Math.max(records?.self.epoch ?? 0, this.#options.store()?.head().epoch ?? 0),
      sinceMs: records === undefined ? 0 : (ownStatement(records.self.statement)?.atMs ?? 0),
      ancestors: records === undefined ? [] : ancestorsIn(records.store),
    };
  }

  async #giveWay({ appliance, epoch, history }: ShownLine): Promise<void> {
    const { log, open } = this.#options;
    log.error({ appliance, epoch, history }, 'failover.restored-elsewhere');
    try {
      const pair = await open();
      await pair.roles.stepDown({ by: appliance, reason: 'superseded' }, 'read-only', { readOnly: 'superseded', epoch });
    } catch (error) {
      // Nothing is written all the same; the next start that a client visits tries again.
      log.error({ err: error }, 'failover.not-given-way');
    }
  }

  /** What goes on elsewhere in the history that this one was restored from has come further than anybody knew. */
  async #raise(above: number): Promise<void> {
    const pair = this.#options.pair();
    if (pair === undefined || this.#isBusy) return;
    this.#isBusy = true;
    try {
      await pair.roles.raise(above);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'failover.epoch-not-raised');
    } finally {
      this.#isBusy = false;
    }
  }
}

/** Signs an epoch above `above`, in the history that this side has, and goes on in it: nothing of it is written in an epoch that somebody else has had. */
export async function raiseEpoch(parts: PairParts, change: RoleChange, above: number): Promise<void> {
  const { records, statements, config, key, now } = parts;
  const { self } = records;
  if (!records.serves || self.history === '' || above < self.epoch) return;
  const epoch = above + 1;
  const statement = await statements.sign({
    history: self.history,
    epoch,
    holder: key.sha256,
    holderName: config.applianceName,
    predecessor: { history: self.history, epoch: self.epoch },
    atMs: ownStatement(self.statement)?.atMs ?? now(),
  });
  const step = { by: 'system', reason: 'restored' };
  records.become(SYSTEM, roleChanged({ role: self.role, epoch, ...step }), { epoch, statement, pendingEpoch: epoch }, step);
  change.finishPromotion(SYSTEM, step);
}

/** By the word of whoever restored; of two that were restored from one history, the higher epoch, then the later word. */
function isReplacedBy(own: { history: string; epoch: number; sinceMs: number; ancestors: string[] }, shown: ShownLine): boolean {
  if (shown.replaces.includes(own.history)) return true;
  if (!shown.replaces.some((history) => own.ancestors.includes(history))) return false;
  if (shown.epoch !== own.epoch) return shown.epoch > own.epoch;
  return shown.sinceMs !== own.sinceMs ? shown.sinceMs > own.sinceMs : shown.history > own.history;
}
