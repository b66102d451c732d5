/** Two sides that both say `primary`, or both `backup`, or have gone apart: found by what they say of themselves, shown with what differs, and fixed by a person's choice (I5). */
import type { PairConflict } from '@bascule/protocol/api/failover.ts';
import { roleAnswer } from '@bascule/protocol/pair-link.ts';
import type { Context } from '@bascule/store/store.ts';
import { notInConflict, peerUnreachable, roleUnfit } from './failover-errors.ts';
import { sideArchived } from './failover-events.ts';
import { servesAs } from './pair-records.ts';
import type { Pair } from './pair.ts';
import { writeValue } from './pair-store.ts';
import { compareSides } from './side-changes.ts';

/** Roles that pass each other for a moment, in a swap, are no conflict. */
export const CONFLICT_AFTER_MS = 6000;
/** What differs is asked anew at most this often. */
const COMPARE_INTERVAL_MS = 5000;

type ConflictKind = PairConflict['kind'];

export class Conflicts {
  readonly #pair: Pair;
  #since: { kind: ConflictKind; atMs: number } | undefined;
  #compared: { atMs: number; sides: PairConflict['sides'] } | undefined;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** The conflict that there is now, with what differs if the other side can be asked; null: the two agree. */
  async current(): Promise<PairConflict | null> {
    const since = this.look();
    if (since === undefined) return null;
    const sides = await this.#sides();
    const [own, peer] = sides;
    const recommended = own === undefined || peer === undefined ? null : recommend(own, peer);
    return { kind: since.kind, sinceMs: since.atMs, sides, recommended };
  }

  /** What is discarded when the changes of `side` give way: as many as the page named; null: none, or the other side cannot be asked. */
  async discardedOf(side: 'self' | 'peer'): Promise<{ changes: number; seconds: number } | null> {
    const { changes = 0, sinceMs = null } = (await this.#sides())[side === 'self' ? 0 : 1] ?? {};
    const seconds = sinceMs === null ? 0 : Math.max(0, this.#pair.parts.now() - sinceMs) / 1000;
    return changes === 0 ? null : { changes, seconds };
  }

  /** Whether the two disagree at this moment, be it for long or not. */
  get isApart(): boolean {
    return this.#kind() !== undefined;
  }

  /** Whether there is a conflict, without asking anybody. */
  look(): { kind: ConflictKind; atMs: number } | undefined {
    const kind = this.#kind();
    const { now } = this.#pair.parts;
    if (kind === undefined) {
      this.#since = this.#compared = undefined;
      return undefined;
    }
    if (this.#since?.kind !== kind) this.#since = { kind, atMs: now() };
    const { records } = this.#pair.parts;
    // What was said a moment ago is no longer so in the middle of a swap; what is written down, or does not fit, is so at once.
    const isCertain = kind === 'diverged' || records.self.readOnly === 'superseded';
    const afterMs = isCertain ? 0 : (this.#pair.options.timing?.conflictAfterMs ?? CONFLICT_AFTER_MS);
    return now() - this.#since.atMs < afterMs ? undefined : this.#since;
  }

  /**
   * Keeps `keep` (an appliance's name, or the SHA-256 of its pair key) as primary: the other side archives what it has, takes a copy and follows. Throws `FAILOVER_NO_CONFLICT`, `FAILOVER_PEER_UNREACHABLE`. Resolves
   * when it is begun, with what goes on.
   */
  async fix(context: Context, keep: string): Promise<{ done: Promise<void> }> {
    const { config, records, watch, key } = this.#pair.parts;
    if (this.look() === undefined) throw notInConflict();
    if (!(await watch.ask())) throw peerUnreachable();
    const { peer } = records;
    const isOwn = keep === config.applianceName || keep === key.sha256;
    const isPeer = [peer?.name, watch.state?.side.appliance, peer?.keySha256].includes(keep);
    if (!isOwn && !isPeer) throw roleUnfit(`There is no appliance ${keep} in this pair.`);
    if (isOwn && isPeer) throw roleUnfit(`Both appliances are called ${keep}: say by its key which one stays primary.`);
    const done = isOwn ? this.#keepOwn(context) : this.#keepPeer(context);
    return { done };
  }

  async #keepOwn(context: Context): Promise<void> {
    const { records, sink, watch } = this.#pair.parts;
    // The other side takes no word that is older than what it knows.
    const isAbove = records.self.epoch >= (watch.state?.side.epoch ?? 0);
    if (!records.serves || !isAbove) await this.#pair.roles.becomePrimaryByFix(context);
    const { statement } = records.self;
    if (statement === null) throw notInConflict();
    await this.#pair.roles.order({ kind: 'become-backup', statement, by: context.actor.name });
    sink.hurry();
  }

  async #keepPeer(context: Context): Promise<void> {
    const { records, watch, dial } = this.#pair.parts;
    const by = context.actor.name;
    const role = watch.state?.side.role;
    if (role !== undefined && !servesAs(role)) {
      const { body } = await dial.request('POST', '/role', { kind: 'become-primary', by, pullFirst: false, isFix: true });
      const answer = roleAnswer.safeParse(body);
      if (answer.data?.ok !== true) throw roleUnfit(answer.data?.message ?? 'The other appliance refused to become primary.');
      await watch.ask();
    }
    const statement = watch.state?.statement;
    if (statement === null || statement === undefined) throw notInConflict();
    records.store.transact(context, sideArchived({ folder: '', reason: `gives way by ${by}`, changes: 0 }), (tx) =>
      writeValue(tx, 'giveWay', { by, atMs: this.#pair.parts.now(), reason: 'fixed' }),
    );
    await this.#pair.roles.giveWay(statement, by);
  }

  #kind(): ConflictKind | undefined {
    const { records, watch, sink } = this.#pair.parts;
    if (records.self.readOnly === 'superseded') return 'both-primary';
    if (!records.isActive) return undefined;
    if (sink.stopped?.code === 'conflict') return 'diverged';
    const { state } = watch;
    // What was said before this side became what it is says nothing of the two as they are now.
    if (state === undefined || !watch.isReachable || state.isActive === false || watch.askedMs < records.becameMs)
      return undefined;
    if (state.readOnly === 'superseded') return 'both-primary';
    const peerServes = servesAs(state.side.role);
    if (records.serves && peerServes) return 'both-primary';
    return !records.serves && !peerServes ? 'both-backup' : undefined;
  }

  async #sides(): Promise<PairConflict['sides']> {
    const { database, dial, records, watch, config, key, log, now } = this.#pair.parts;
    if (this.#compared !== undefined && now() - this.#compared.atMs < COMPARE_INTERVAL_MS) return this.#compared.sides;
    const { store } = database;
    if (store === undefined) return [];
    try {
      const sides = await compareSides(dial, store, {
        own: config.applianceName,
        ownKey: key.sha256,
        peerKey: records.peer?.keySha256,
        ownEpoch: store.head().epoch,
        peer: watch.state?.side.appliance ?? records.peer?.name ?? '',
        peerEpoch: watch.state?.log.epoch ?? watch.state?.side.epoch ?? 0,
      });
      this.#compared = { atMs: now(), sides };
      return sides;
    } catch (error) {
      log.info({ err: error }, 'failover.sides-not-compared');
      return this.#compared?.sides ?? [];
    }
  }
}

/** Whom Fix keeps if nobody says otherwise: who has more that the other lacks; of equals, the higher epoch. */
function recommend(own: PairConflict['sides'][number], peer: PairConflict['sides'][number]): string {
  if (own.changes !== peer.changes) return own.changes > peer.changes ? own.appliance : peer.appliance;
  return own.epoch >= peer.epoch ? own.appliance : peer.appliance;
}
