/** Who is primary and who backup, by people's orders and the other side's (B158-B161, B35; docs/decisions/0201). */
import { AppError } from '@bascule/errors/app-error.ts';
import type { Exposure } from '@bascule/protocol/api/failover.ts';
import { roleAnswer, type RoleAnswer, type RoleOrder, type SignedStatement } from '@bascule/protocol/pair-link.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { Exclusive } from './exclusive.ts';
import { HandOver } from './hand-over.ts';
import { promoteByLease } from './promotion.ts';
import * as errors from './failover-errors.ts';
import { relationshipBroken, roleChanged } from './failover-events.ts';
import { faultPoint, faultPointNow } from './fault-points.ts';
import { raiseEpoch } from './lineage.ts';
import type { PairParts } from './pair-parts.ts';
import type { RoleStep } from './pair-records.ts';
import { BY_WITNESS, writeValue, type PeerRecord } from './pair-store.ts';
import type { RelaySettling } from './relay-settling.ts';
import type { RoleChange } from './role-change.ts';
import { checkGivesWay, checkTrusted } from './role-checks.ts';

/** The other side answers an order that makes it change roles. */
const ORDER_LIMIT_MS = 30_000;

type Loss = NonNullable<RoleStep['lost']>;

/** What the lease does in a change of roles, when automatic failover is on. */
export interface LeaseOfRoles {
  /** This side gives it up, in sync with the other or not. */
  release(peerInSync: boolean): Promise<void>;
  /** This side goes on as what it is: what it gave up it asks for again. */
  resume(): void;
  /** A promotion to `epoch`, which had the lease, has failed. */
  giveBack(epoch: number): Promise<void>;
  /** This side gets it; by the word of a person (`forcedBy`) also when it is out of sync; in a swap with the statement that was `handed` over. The epoch and statement to be primary by; undefined: there is no lease. */
  claim(options?: {
    forcedBy?: string;
    handed?: SignedStatement;
  }): Promise<{ epoch: number; statement: SignedStatement } | undefined>;
}

export interface RolesOptions {
  parts: PairParts;
  change: RoleChange;
  exclusive: Exclusive;
  lease: LeaseOfRoles;
  exposure(): Exposure | null;
  /** Whether the two sides have to be brought together by a person. */
  isInConflict(): boolean;
  /** What Fix discards when the changes of `side`, which the other one lacks, give way; null: nothing, or it cannot be told. */
  discardedOf(side: 'self' | 'peer'): Promise<Loss | null>;
  /** The relay's part before a planned swap. */
  settling: RelaySettling;
  /** The highest epoch that anybody told of. */
  highestEpoch(): number;
  /** Nothing is written from now on until `false`: the last entries are on their way. */
  holdWriting(isHeld: boolean): void;
  /** Shorter for tests. */
  lastEntriesLimitMs?: number | undefined;
}

export class Roles {
  readonly #options: RolesOptions;
  readonly #parts: PairParts;
  readonly handOver: HandOver;

  constructor(options: RolesOptions) {
    this.#options = options;
    this.handOver = new HandOver(options);
    this.#parts = options.parts;
  }

  /** What speaks against Become Primary, before anything is begun. Throws it. */
  async checkBecomePrimary(request: {
    pullFirst: boolean;
    acceptedLoss?: { changes: number; seconds: number } | undefined;
  }): Promise<void> {
    const { records, database, watch } = this.#parts;
    if (records.peer === undefined) throw errors.noPair();
    if (records.serves) throw errors.roleUnfit('This appliance is the primary already.');
    if (database.store === undefined) throw errors.noCopyYet();
    checkTrusted(this.#parts.records);
    if (this.#options.exclusive.busy !== null) throw errors.busy(this.#options.exclusive.busy.what);
    if (await watch.answers()) return;
    if (request.pullFirst) throw errors.peerUnreachable();
    const loss = this.#options.exposure();
    if (loss === null) return;
    const accepted = request.acceptedLoss;
    if (accepted === undefined || loss.changes > accepted.changes) throw errors.exposureChanged(loss.changes, loss.seconds);
  }

  /** B158, B160: with what the other side has first, if it can be reached: then it becomes the backup. Otherwise by the word of the person, who was shown what is lost. */
  async becomePrimary(
    context: Context,
    request: { pullFirst: boolean; acceptedLoss?: { changes: number; seconds: number } | undefined },
  ): Promise<void> {
    await this.checkBecomePrimary(request);
    const by = context.actor.name;
    await this.#options.exclusive.run('become-primary', async (step) => {
      if (this.#parts.watch.isReachable && this.#isPeerServing())
        await this.handOver.takeOver(context, by, step, (order) => this.order({ ...order, pullFirst: request.pullFirst }));
      else await this.#force(context, by, step);
    });
  }

  /** By itself: the witness has given this side the lease. `forcedBy`: long ago, by a person's word, and this side ended before it heard of it. */
  async becomePrimaryByLease(won: { epoch: number; statement: SignedStatement; forcedBy?: string | undefined }): Promise<void> {
    const { epoch, statement, forcedBy: by = BY_WITNESS } = won;
    await this.#options.exclusive.run('become-primary', () =>
      this.#options.change.promote({ context: SYSTEM, by, reason: 'took-over', epoch, statement, lost: this.#loss() }),
    );
  }

  /** The other side has handed over by a signed statement whose answer was lost on its way. */
  async takeHandedOver(statement: SignedStatement, epoch: number): Promise<void> {
    const { database, watch } = this.#parts;
    // It may have been set back meanwhile: then a person decides (I5).
    if ((database.store?.head().seq ?? 0) < (watch.state?.log.seq ?? 0))
      throw errors.roleUnfit('The other appliance has signed over more than has come here: look at both, and choose with Fix.');
    await this.#options.exclusive.run('become-primary', async () => {
      const claimed = await this.#options.lease.claim({ handed: statement });
      await promoteByLease(this.#options, claimed, { context: SYSTEM, by: 'system', reason: 'swapped', epoch, statement });
    });
  }

  /** A person has chosen this side as the primary of two backups (Fix): nobody is asked, for nobody writes. */
  async becomePrimaryByFix(context: Context): Promise<void> {
    await this.#options.exclusive.run('fix', async (step) => {
      const lost = await this.#options.discardedOf('peer');
      await this.#force(context, context.actor.name, step, { reason: 'fixed', lost });
    });
  }

  /** The other side is primary by `statement`, and what this one has of its own gives way (Fix). */
  async giveWay(statement: SignedStatement, by: string): Promise<void> {
    await this.#becomeBackupBy(statement, by, 'fixed', { isDecidedHere: true });
  }

  /** What speaks against Become Backup, before anything is begun. Throws it. */
  async checkBecomeBackup({ evenIfUnreachable }: { evenIfUnreachable: boolean }): Promise<void> {
    const { records, watch } = this.#parts;
    if (records.peer === undefined) throw errors.noPair();
    if (records.self.role === 'backup') throw errors.roleUnfit('This appliance is the backup already.');
    checkTrusted(this.#parts.records);
    if (this.#options.exclusive.busy !== null) throw errors.busy(this.#options.exclusive.busy.what);
    if (!evenIfUnreachable && !(await watch.ask())) throw errors.peerUnreachable();
  }

  /** What speaks against a split. Throws it. */
  checkSplit(): void {
    if (this.#parts.records.self.role !== 'read-only')
      throw errors.roleUnfit('Only the read-only side of a broken relationship can be split off.');
  }

  /** B35: this side gives the site to the other; `evenIfUnreachable` also when that cannot be told, and then nobody is primary until a person decides there. */
  async becomeBackup(context: Context, { evenIfUnreachable }: { evenIfUnreachable: boolean }): Promise<void> {
    const { records, watch } = this.#parts;
    const by = context.actor.name;
    await this.checkBecomeBackup({ evenIfUnreachable });
    if (records.serves && watch.isReachable) {
      // The other side pulls what is left, and then asks us to hand over.
      return void (await this.order({ kind: 'become-primary', by, pullFirst: true }));
    }
    await this.#options.exclusive.run('become-backup', () => this.stepDown({ by, reason: 'forced', context }, 'backup'));
  }

  /** Ends serving here. Without another's statement: by a person's word, by a lost lease, or because the other side has a newer one. */
  async stepDown(
    step: { by: string; reason: string; lost?: Loss | null; context?: Context },
    role: 'backup' | 'read-only',
    next: { statement?: SignedStatement; epoch?: number; readOnly?: 'superseded' | 'broken' | 'restored' | null } = {},
  ): Promise<void> {
    const { serving, gate } = this.#parts;
    const { change, lease, holdWriting } = this.#options;
    holdWriting(true);
    try {
      await serving.stop();
      await lease.release(gate.isInSync);
      change.demote(role, step, { readOnly: role === 'backup' ? null : 'superseded', ...next });
    } catch (error) {
      // Whatever it is by now is served: nobody is left without.
      holdWriting(false);
      lease.resume();
      await serving.start();
      throw error;
    }
    holdWriting(false);
    await change.serveAsFollower();
  }

  /**
   * B161: both stay as they are, without each other; the other one stays read-only until a person splits the site. `isForPlan`: until the plan is done. A person can also break off
   * what a plan, or the other side, has broken: then nothing of that side's is heeded any more.
   */
  async breakUp(context: Context, { isForPlan = false }: { isForPlan?: boolean } = {}): Promise<void> {
    const { records, watch } = this.#parts;
    const { peer } = records;
    const by = context.actor.name;
    if (!isForPlan && peer?.state === 'broken' && peer.apart !== undefined) {
      const { apart: _by, ...alone } = peer;
      records.store.transact(context, relationshipBroken({ peer: peer.name, by }), (tx) =>
        records.setPeer(tx, { ...alone, sinceMs: this.#parts.now(), by }),
      );
      return records.reload();
    }
    if (!records.isActive) throw errors.noPair();
    await this.#options.exclusive.run('break', async () => {
      await this.breakOwnSide(context, by, isForPlan ? 'plan' : undefined);
      if (watch.isReachable) await this.order({ kind: 'break', by, ...(isForPlan && { isForPlan }) }).catch(() => undefined);
      await faultPoint('break/told');
    });
  }

  /** Our half of a break: also when the other side says that it has broken it (`apart`). */
  async breakOwnSide(context: Context, by: string, apart: PeerRecord['apart']): Promise<void> {
    const { records, sink, source, gate, serving } = this.#parts;
    const { peer, self } = records;
    if (peer === undefined || peer.state === 'broken') return;
    const role = records.serves ? 'single' : 'read-only';
    if (role === 'read-only') await sink.stop();
    const event = relationshipBroken({ peer: peer.name, by });
    records.become(context, event, { role, readOnly: role === 'read-only' ? 'broken' : null }, { by, reason: 'broken' }, (tx) =>
      records.setPeer(tx, { ...peer, state: 'broken', sinceMs: this.#parts.now(), by, ...(apart !== undefined && { apart }) }),
    );
    faultPointNow('break/noted');
    if (role === 'single') {
      source.close();
      gate.leave();
    } else if (self.role !== 'read-only') {
      await serving.stop();
      await serving.start();
    }
  }

  /** The read-only side of a broken relationship becomes a site of its own, with a history of its own. */
  async split(context: Context): Promise<void> {
    const { records, statements, config, key, now } = this.#parts;
    this.checkSplit();
    await this.#options.exclusive.run('split', async () => {
      const by = context.actor.name;
      const epoch = this.#options.highestEpoch() + 1;
      const history = `his_${crypto.randomUUID()}`;
      const predecessor = { history: records.self.history, epoch: records.self.epoch };
      const holder = { holder: key.sha256, holderName: config.applianceName };
      const statement = await statements.sign({ history, epoch, ...holder, predecessor, atMs: now() });
      await this.#options.change.promote({ context, by, reason: 'split', epoch, statement, history });
    });
  }

  /** A client has shown an epoch of a history that this side was restored from: it goes on above it. */
  async raise(above: number): Promise<void> {
    await raiseEpoch(this.#parts, this.#options.change, Math.max(above, this.#options.highestEpoch()));
  }

  /** The relationship that was broken goes on, with this side as its primary, and the keys that both still have. */
  async establishAgain(context: Context): Promise<void> {
    const { records, watch } = this.#parts;
    const { peer } = records;
    if (peer === undefined) throw errors.noPair();
    const isBegun = peer.state === 'active';
    if (isBegun && records.self.role === 'backup') return;
    if (!records.serves) throw errors.roleUnfit('The relationship is established again at the appliance that is to be primary.');
    if (!(await watch.ask())) throw errors.peerUnreachable();
    // Written down here, and cut before the other side was told, or had become the backup: it is told again.
    if (isBegun && watch.state?.isActive === true && watch.state.side.role === 'backup') return;
    const by = context.actor.name;
    await this.#options.exclusive.run('establish-again', async () => {
      const { statement } = records.self;
      if (statement === null) throw errors.noPair();
      if (!isBegun) {
        this.#setActive(context, by, 'primary', peer);
        this.#parts.gate.reset();
      }
      faultPointNow('again/active');
      try {
        await this.order({ kind: 'establish-again', statement, by, mode: records.settings.mode });
        await faultPoint('again/told');
      } catch (error) {
        // Who wrote it down before the cut is told by the other side's own word what it still is.
        if (!isBegun) await this.breakOwnSide(context, by, peer.apart);
        throw error;
      }
    });
  }

  /** Sends the other side an order. Throws `FAILOVER_PEER_UNREACHABLE`, or its refusal. */
  async order(order: RoleOrder): Promise<RoleAnswer> {
    const { status, body } = await this.#parts.dial.request('POST', '/role', order, { timeoutMs: ORDER_LIMIT_MS });
    const answer = roleAnswer.safeParse(body);
    if (status !== 200 || !answer.success) throw errors.peerRefused(undefined, undefined);
    if (!answer.data.ok) throw errors.peerRefused(answer.data.code, answer.data.message);
    return answer.data;
  }

  /** An order of the other side; what is refused is said in the answer. */
  async answer(order: RoleOrder): Promise<RoleAnswer> {
    try {
      return await this.#answer(order);
    } catch (error) {
      if (!(error instanceof AppError)) this.#parts.log.error({ err: error, order: order.kind }, 'failover.order-failed');
      const { code, message } =
        error instanceof AppError ? error : { code: 'FAILED', message: 'The other appliance failed at this; its log says more.' };
      return { ok: false, code, message, role: this.#parts.records.self.role };
    }
  }

  async #answer(order: RoleOrder): Promise<RoleAnswer> {
    const { records, watch } = this.#parts;
    const { by } = order;
    const isAgain = order.kind === 'establish-again' && records.peer?.apart === 'peer';
    if (order.kind !== 'break' && !isAgain) checkTrusted(this.#parts.records);
    switch (order.kind) {
      case 'hand-over':
        return await this.handOver.give(by, order.toEpoch, { mayLeaveOutput: order.pullFirst === false });
      case 'become-primary': {
        if (order.isFix === true) {
          if (records.serves) return { ok: true, role: records.self.role };
          // Only when nobody is primary, or the two have gone apart, does the word of the other side make one.
          if (!(await watch.ask())) throw errors.peerUnreachable();
          if (this.#isPeerServing() && !this.#options.isInConflict()) throw errors.notInConflict();
          await this.#options.exclusive.idle(ORDER_LIMIT_MS);
          await this.becomePrimaryByFix(byPeer(by));
          return { ok: true, role: records.self.role };
        }
        await this.checkBecomePrimary({ pullFirst: true });
        this.#inBackground(this.becomePrimary(byPeer(by), { pullFirst: order.pullFirst }));
        return { ok: true };
      }
      case 'break':
        await this.breakOwnSide(byPeer(by), by, order.isForPlan === true ? 'plan' : 'peer');
        return { ok: true, role: records.self.role };
      case 'become-backup':
        // What it says of itself now may be what puts the two in conflict.
        await watch.ask();
        return await this.#becomeBackupBy(order.statement, by, 'fixed');
      case 'establish-again':
        return await this.#becomeBackupBy(order.statement, by, 'established', { mode: order.mode });
    }
  }

  /** The other side is not asked: by a person's word. */
  async #force(
    context: Context,
    by: string,
    step: (name: string) => void,
    { reason, lost }: { reason: string; lost: Loss | null } = { reason: 'took-over', lost: this.#loss() },
  ): Promise<void> {
    const { records, statements, config, key, now } = this.#parts;
    step('promoting');
    const claimed = await this.#options.lease.claim({ forcedBy: by });
    const epoch = this.#options.highestEpoch() + 1;
    const predecessor = { history: records.self.history, epoch: records.self.epoch };
    const holder = { holder: key.sha256, holderName: config.applianceName };
    const statement =
      claimed?.statement ??
      (await statements.sign({ history: records.self.history, epoch, ...holder, predecessor, atMs: now() }));
    await promoteByLease(this.#options, claimed, { context, by, reason, epoch, statement, lost });
  }

  /** The other side is primary by `signed`, and this one follows it: what it holds of its own gives way. */
  async #becomeBackupBy(
    signed: SignedStatement,
    by: string,
    reason: string,
    { mode, isDecidedHere = false }: { mode?: 'async' | 'sync'; isDecidedHere?: boolean } = {},
  ): Promise<RoleAnswer> {
    const { records, statements, sink, now } = this.#parts;
    const { peer } = records;
    if (peer === undefined) throw errors.noPair();
    const statement = await statements.read(signed);
    checkGivesWay(records, statement, peer, {
      isAgain: reason === 'established',
      mayGiveWay: () => isDecidedHere || this.#options.isInConflict(),
    });
    if (records.self.role === 'backup' && records.isActive && records.self.epoch === statement.epoch && reason === 'established')
      return { ok: true, role: 'backup' };
    // Its word may have been heard already, and is being followed.
    await this.#options.exclusive.idle(ORDER_LIMIT_MS);
    const { apart: _over, ...again } = peer;
    await this.#options.exclusive.run('become-backup', async () => {
      const lost = reason === 'fixed' ? await this.#options.discardedOf('self') : null;
      records.store.transact(byPeer(by), roleChanged({ role: 'backup', epoch: statement.epoch, by, reason }), (tx) => {
        writeValue(tx, 'giveWay', { by, atMs: now(), reason });
        records.setPeer(tx, { ...again, state: 'active', sinceMs: now(), by });
        if (mode !== undefined) writeValue(tx, 'settings', { ...records.settings, mode });
      });
      records.reload();
      faultPointNow('again/noted');
      await sink.stop();
      const next = { statement: signed, epoch: statement.epoch, readOnly: null, history: statement.history };
      await this.stepDown({ by, reason, lost, context: byPeer(by) }, 'backup', next);
    });
    return { ok: true, role: 'backup' };
  }

  #setActive(context: Context, by: string, role: 'primary', peer: PeerRecord): void {
    const { records, now } = this.#parts;
    const { epoch } = records.self;
    const { apart: _over, ...again } = peer;
    records.become(
      context,
      roleChanged({ role, epoch, by, reason: 'established' }),
      { role, readOnly: null },
      { by, reason: 'established' },
      (tx) => records.setPeer(tx, { ...again, state: 'active', sinceMs: now(), by }),
    );
  }

  #isPeerServing(): boolean {
    const role = this.#parts.watch.state?.side.role;
    return role === 'primary' || role === 'single';
  }

  #loss(): Loss | null {
    const loss = this.#options.exposure();
    return loss === null ? null : { changes: loss.changes, seconds: loss.seconds };
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => this.#parts.log.warn({ err: error }, 'failover.order-failed'));
  }
}

/** A person at the other appliance. */
export function byPeer(by: string): Context {
  return { actor: { ...SYSTEM.actor, name: by }, address: '' };
}
