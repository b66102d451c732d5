/**
 * Becoming primary and becoming backup, as this appliance does it by itself (docs/decisions/0201). What is decided is in pair.db before site.db follows: after a cut at any point
 * the next start goes on, and never with two writers.
 */
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { PairRole } from '@bascule/protocol/api/failover.ts';
import { noCopyYet } from './failover-errors.ts';
import { promoted, promotionFinished, roleChanged } from './failover-events.ts';
import { faultPoint, faultPointNow } from './fault-points.ts';
import type { PairParts } from './pair-parts.ts';
import type { RoleStep } from './pair-records.ts';
import type { PairSelf } from './pair-store.ts';

export interface Promotion extends RoleStep {
  context: Context;
  epoch: number;
  statement: SignedStatement | null;
  /** With a new history: the site is split. */
  history?: string;
}

export class RoleChange {
  readonly #parts: PairParts;

  constructor(parts: PairParts) {
    this.#parts = parts;
  }

  /**
   * This side writes from now on, as primary, or alone while the relationship is broken. The statement that gives it the epoch was signed before. On a fault it is what it was.
   * Throws `FAILOVER_NO_COPY`, and what `Store.promote` throws.
   */
  async promote(promotion: Promotion): Promise<void> {
    const { records, database, sink, serving, accounts, log } = this.#parts;
    const { context, epoch, statement, history } = promotion;
    const startedMs = performance.now();
    const sinceMs = () => Math.round(performance.now() - startedMs);
    await sink.stop();
    const followingEndedMs = sinceMs();
    if (database.store === undefined) {
      this.resumeFollowing();
      throw noCopyYet();
    }
    const before = records.self;
    try {
      await serving.stop();
      await faultPoint('promote/stopped');
      const role = records.isActive ? 'primary' : 'single';
      const next = {
        role,
        epoch,
        statement,
        pendingEpoch: epoch,
        readOnly: null,
        ...(history !== undefined && { history }),
      } as const;
      records.become(context, roleChanged({ role, epoch, by: promotion.by, reason: promotion.reason }), next, promotion);
      faultPointNow('promote/decided');
      this.finishPromotion(context, promotion);
    } catch (error) {
      if (records.self !== before) this.#takeBack(before, promotion);
      await serving.start();
      this.resumeFollowing();
      throw error;
    }
    const writesMs = sinceMs();
    await accounts.carryOut(database.store);
    await faultPoint('promote/carried');
    await serving.start();
    log.info({ epoch, reason: promotion.reason, followingEndedMs, writesMs, servesMs: sinceMs() }, 'failover.promoted');
    await faultPoint('promote/serving');
  }

  /** The second half of a promotion: site.db takes the epoch that pair.db has decided. After a cut it is done at the next start. */
  finishPromotion(context: Context, step: RoleStep): void {
    const { records, database, config, gate } = this.#parts;
    const { pendingEpoch } = records.self;
    if (pendingEpoch === null || database.store === undefined) return;
    if (database.store.isFollower || database.store.head().epoch < pendingEpoch) {
      if (!database.store.isFollower) database.store.demote();
      const { seq } = database.store.head();
      const event = promoted({ appliance: config.applianceName, epoch: pendingEpoch, by: step.by, reason: step.reason });
      database.store.promote(context, event, pendingEpoch);
      // Everything until now came from the other side.
      gate.assume(seq);
      faultPointNow('promote/written');
    }
    records.note(promotionFinished({ epoch: pendingEpoch }), { pendingEpoch: null });
  }

  /**
   * This side writes no more: what was served has ended (`ended`: it has already), pair.db says so, and then site.db is a follower's. `serve` goes on with what follows. A backup
   * (or the read-only side of a broken relationship), with the statement that rules from now on.
   */
  demote(role: Extract<PairRole, 'backup' | 'read-only'>, step: RoleStep & { context?: Context }, next: Partial<PairSelf>): void {
    const { records, database, gate, source } = this.#parts;
    const self = { ...next, role, pendingEpoch: null };
    const epoch = next.epoch ?? records.self.epoch;
    records.become(step.context ?? SYSTEM, roleChanged({ role, epoch, by: step.by, reason: step.reason }), self, step);
    faultPointNow('demote/noted');
    if (database.store?.isFollower === false) database.store.demote();
    source.close();
    gate.abandon();
    faultPointNow('demote/done');
  }

  /** After `demote`: people who were logged in stay so, the standby serves, and following begins. */
  async serveAsFollower(): Promise<void> {
    const { database, accounts, serving } = this.#parts;
    if (database.store !== undefined) accounts.copy(database.store);
    await serving.start();
    this.resumeFollowing();
  }

  /** A backup follows; nobody else does by itself. */
  resumeFollowing(): void {
    const { records, sink, isStarted } = this.#parts;
    if (isStarted() && records.self.role === 'backup' && records.isActive) sink.start();
  }

  #takeBack(before: PairSelf, { by, context }: Promotion): void {
    const { records, database, log } = this.#parts;
    try {
      const { role, epoch } = before;
      records.become(context, roleChanged({ role, epoch, by, reason: 'failed' }), before, { by, reason: 'failed' });
      if (database.store?.isFollower === false) database.store.demote();
    } catch (error) {
      // The disk is full, or worse: mayWrite refuses all the same while the promotion is not finished.
      log.error({ err: error }, 'failover.promotion-not-taken-back');
    }
  }
}
