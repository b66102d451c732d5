/** The planned swap: the source's half, which ends and signs over, and the follower's, which has everything and takes it (B158, B160; docs/decisions/0201). */
import { setTimeout as delay } from 'node:timers/promises';
import type { RoleAnswer } from '@bascule/protocol/pair-link.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import * as errors from './failover-errors.ts';
import { handedOver } from './failover-events.ts';
import { faultPoint, faultPointNow } from './fault-points.ts';
import { servesAs } from './pair-records.ts';
import { promoteByLease } from './promotion.ts';
import type { PairParts } from './pair-parts.ts';
import type { RolesOptions } from './roles.ts';
import { EPOCH_LEAP_MAX, ownStatement } from './statements.ts';

/** The source of a hand-over has told the follower everything within this, or goes on as before. */
const LAST_ENTRIES_LIMIT_MS = 10_000;
/** A follower is near enough for a hand-over. */
const NEAR_CHANGES = 1000;
/** A follower that pulls first has everything within this. */
const PULL_LIMIT_MS = 10 * 60_000;
const LOOK_INTERVAL_MS = 20;

export type Step = (name: string, done?: number, total?: number | null) => void;
type Order = (order: { kind: 'hand-over'; by: string; toEpoch: number }) => Promise<RoleAnswer>;

export class HandOver {
  readonly #options: RolesOptions;
  readonly #parts: PairParts;

  constructor(options: RolesOptions) {
    this.#options = options;
    this.#parts = options.parts;
  }

  /** The side that has the site: writes no more, sends the rest, and signs it over. `mayLeaveOutput`: also when output of sessions is on the disk here alone. */
  async give(by: string, toEpoch: number, { mayLeaveOutput = false } = {}): Promise<RoleAnswer> {
    const { records, serving, database, gate, statements, config, now, source } = this.#parts;
    const { change, exclusive, lease, holdWriting, highestEpoch, settling } = this.#options;
    const { peer, self } = records;
    if (peer === undefined) throw errors.noPair();
    const known = ownStatement(self.statement);
    if (!records.serves && known?.holder === peer.keySha256 && known.epoch === toEpoch && self.statement !== null)
      return { ok: true, statement: self.statement, seq: database.store?.head().seq };
    if (!records.serves) throw errors.roleUnfit(`${config.applianceName} is not the primary.`);
    if (toEpoch <= highestEpoch()) throw errors.roleUnfit('That epoch was given out already: look at both appliances.');
    if (toEpoch > highestEpoch() + EPOCH_LEAP_MAX) throw errors.epochTooHigh(toEpoch);
    if (!source.isFollowed) throw errors.roleUnfit('The other appliance does not follow: wait until it has caught up.');
    const answered = Promise.withResolvers<RoleAnswer>();
    const work = exclusive.run('hand-over', async (step) => {
      const { store } = database;
      if (store === undefined) throw errors.noCopyYet();
      step('ending');
      await faultPoint('swap/ending');
      const exposedBytes = await settling.begin();
      if (exposedBytes > 0 && !mayLeaveOutput) {
        settling.end();
        throw errors.outputExposed(exposedBytes, config.applianceName);
      }
      try {
        await serving.stop();
        holdWriting(true);
        await faultPoint('swap/stopped');
        const { seq } = store.head();
        if (!(await gate.whenAcked(seq, LAST_ENTRIES_LIMIT_MS)))
          throw errors.roleUnfit('The other appliance did not confirm the last changes in time.');
        await faultPoint('swap/acknowledged');
        await lease.release(true);
        const predecessor = { history: self.history, epoch: self.epoch };
        const holder = { holder: peer.keySha256, holderName: peer.name };
        const statement = await statements.sign({ history: self.history, epoch: toEpoch, ...holder, predecessor, atMs: now() });
        faultPointNow('swap/signed');
        const role = records.isActive ? 'backup' : 'read-only';
        // From here on, whatever is cut, this side does not write: the statement is the other's.
        change.demote(
          role,
          { by, reason: 'swapped' },
          { statement, epoch: toEpoch, readOnly: role === 'backup' ? null : 'broken' },
        );
        faultPointNow('swap/demoted');
        answered.resolve({ ok: true, statement, seq });
      } finally {
        holdWriting(false);
        settling.end();
        if (records.serves) {
          lease.resume();
          await serving.start();
        }
      }
      await faultPoint('swap/answered');
      records.store.transact(SYSTEM, handedOver({ to: peer.name, epoch: toEpoch, by }), () => undefined);
      await change.serveAsFollower();
    });
    work.catch((error: unknown) => answered.reject(error));
    return await answered.promise;
  }

  /** The follower's half of a planned swap. */
  async takeOver(context: Context, by: string, step: Step, order: Order): Promise<void> {
    const { records, sink, statements, key } = this.#parts;
    const { change, lease, highestEpoch } = this.#options;
    const toEpoch = highestEpoch() + 1;
    sink.start();
    sink.hurry();
    try {
      step('pulling');
      await faultPoint('swap/pulling');
      await this.#whenNear(step);
      step('swapping');
      await faultPoint('swap/near');
      const { statement, seq } = await order({ kind: 'hand-over', by, toEpoch });
      if (statement === undefined || seq === undefined) throw errors.peerRefused(undefined, undefined);
      const { holder, epoch } = await statements.read(statement);
      if (holder !== key.sha256 || epoch !== toEpoch) throw errors.peerRefused(undefined, undefined);
      await this.#whenHere(seq);
      faultPointNow('swap/handed-over');
      const claimed = await lease.claim({ handed: statement });
      await promoteByLease({ change, lease }, claimed, { context, by, reason: 'swapped', epoch: toEpoch, statement });
    } finally {
      // The read-only side of a broken relationship followed for this alone.
      if (records.self.role === 'read-only') await sink.stop();
    }
  }

  /** Nobody becomes primary without everything that was signed over: the rest may be on its way still (I5). */
  async #whenHere(seq: number): Promise<void> {
    const { database } = this.#parts;
    const endMs = performance.now() + (this.#options.lastEntriesLimitMs ?? LAST_ENTRIES_LIMIT_MS);
    while ((database.store?.head().seq ?? 0) < seq) {
      if (performance.now() > endMs)
        throw errors.roleUnfit('The other appliance has signed over more than has come here: look at both, and choose with Fix.');
      await delay(LOOK_INTERVAL_MS);
    }
  }

  /** Everything that the other side had a moment ago is here. Throws `FAILOVER_PEER_UNREACHABLE`, or why it does not follow. */
  async #whenNear(step: Step): Promise<void> {
    const { database, watch, sink } = this.#parts;
    const endMs = performance.now() + PULL_LIMIT_MS;
    for (;;) {
      const head = watch.state?.log.seq ?? 0;
      const own = database.store?.head().seq ?? 0;
      if (sink.isFollowing && own + NEAR_CHANGES >= head) return;
      if (!watch.isReachable) throw errors.peerUnreachable();
      // It may have found out meanwhile that it must not write: it would be waited for in vain.
      if (watch.state !== undefined && !servesAs(watch.state.side.role))
        throw errors.roleUnfit(`${watch.state.side.appliance} is not the primary any more: look at both appliances.`);
      const { stopped } = sink;
      if (stopped !== null && !['unreachable'].includes(stopped.code)) throw errors.roleUnfit(stopped.text);
      if (performance.now() > endMs) throw errors.roleUnfit('The copy did not catch up in time.');
      step('pulling', own, Math.max(own, head));
      await delay(LOOK_INTERVAL_MS);
    }
  }

  /** Pulls what the other side has, without a change of roles; for a broken relationship whose other side went on. Throws as `#whenNear`. */
  async pull(): Promise<void> {
    const { records, sink, watch } = this.#parts;
    if (records.peer !== undefined && !records.trustsPeer) throw errors.brokenOff(records.peer.name);
    await this.#options.exclusive.run('pull', async (step) => {
      if (!(await watch.ask())) throw errors.peerUnreachable();
      sink.start();
      try {
        await this.#whenNear(step);
        await this.whenCaughtUp(PULL_LIMIT_MS);
      } finally {
        if (records.self.role === 'read-only') await sink.stop();
      }
    });
  }

  /** Resolves when this follower has what the other side had when this was called. */
  async whenCaughtUp(limitMs: number): Promise<void> {
    const { database, watch } = this.#parts;
    await watch.ask();
    const wanted = watch.state?.log.seq ?? 0;
    const endMs = performance.now() + limitMs;
    while ((database.store?.head().seq ?? 0) < wanted) {
      if (performance.now() > endMs) throw errors.roleUnfit('The copy did not catch up in time.');
      await delay(LOOK_INTERVAL_MS);
    }
  }
}
