/** What is decided at a start, before anything is served: whether this side is still the primary, and may write (I5; docs/decisions/0201, 0204). */
import { setTimeout as delay } from 'node:timers/promises';
import { pairStateAnswer, type EpochStatement, type PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { servesAs } from './pair-records.ts';
import type { Pair } from './pair.ts';
import type { RoleChange } from './role-change.ts';
import { EPOCH_LEAP_MAX, isAbove, ownStatement } from './statements.ts';

/** With automatic failover a primary that starts waits so long for the lease before it serves as a standby meanwhile. */
const LEASE_START_WAIT_MS = 3000;
const LEASE_LOOK_MS = 50;
/** Without a lease a primary that starts asks its peer first, and waits so long for the answer: one that is gone does not keep it from serving. */
const PEER_ASK_LIMIT_MS = 3000;

export class PairOpening {
  readonly #pair: Pair;
  readonly #change: RoleChange;
  #timer: NodeJS.Timeout | undefined;
  #awaitsLease = false;
  /** The word by which the peer is primary, as it said before anything was opened here. */
  #overruledBy: EpochStatement | undefined;
  /** What the peer holds, as it said then. */
  #peerLog: PairStateAnswer['log'] | undefined;

  constructor(pair: Pair, change: RoleChange) {
    this.#pair = pair;
    this.#change = change;
  }

  /** The primary by pair.db, which waits for the witness, or for what becomes of it after the word of its peer: nothing is written meanwhile. */
  get waits(): boolean {
    if (this.#awaitsLease) return true;
    const { records } = this.#pair.parts;
    return this.#overruledBy !== undefined && records.serves && isAbove(this.#overruledBy, ownStatement(records.self.statement));
  }

  /** Until the lease is there, it is looked for. */
  start(): void {
    if (this.#awaitsLease) this.#timer ??= setInterval(() => void this.#takeLease(), LEASE_LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Whether site.db is opened as a follower's: also to finish a promotion that was cut. */
  get opensAsFollower(): boolean {
    const { records } = this.#pair.parts;
    return !records.serves || this.waits || records.self.pendingEpoch !== null;
  }

  /** After site.db was opened: a promotion that was cut is finished; and a database that is older than what was signed for writes nothing (I5). */
  databaseOpened(): void {
    const { records, database } = this.#pair.parts;
    if (!records.serves || this.waits) return;
    this.#change.finishPromotion(SYSTEM, { by: 'system', reason: 'swapped' });
    if (records.self.history !== '' && database.store !== undefined && this.#isOld(database.store.head()))
      this.#change.demote('read-only', { by: 'system', reason: 'restored' }, { readOnly: 'restored' });
  }

  /** It lacks what was signed for, or entries of its own epoch that it once gave its peer: nobody else writes in that epoch. */
  #isOld(head: { epoch: number; seq: number }): boolean {
    const peer = this.#peerLog;
    return head.epoch < this.#pair.parts.records.self.epoch || (peer?.epoch === head.epoch && peer.seq > head.seq);
  }

  /** With automatic failover a primary that starts serves when the witness lets it: until then it is a standby. */
  async whenLeaseIsClear(): Promise<void> {
    const { records } = this.#pair.parts;
    const endMs = performance.now() + LEASE_START_WAIT_MS;
    while (records.serves && this.#pair.lease.isOn && !this.#pair.lease.isHeld && performance.now() < endMs)
      await delay(LEASE_LOOK_MS);
    this.#awaitsLease = records.serves && this.#pair.lease.isOn && !this.#pair.lease.isHeld;
  }

  /** Whoever was away may have been taken over meanwhile: it learns so before it writes a single change that nobody wants (I5). */
  async whenPeerWasAsked(): Promise<void> {
    const { records, dial, statements, key, log } = this.#pair.parts;
    if (!records.serves || !records.isActive || this.#pair.lease.isOn) return;
    try {
      const { status, body } = await dial.request('GET', '/state', undefined, { timeoutMs: PEER_ASK_LIMIT_MS });
      if (status !== 200) return;
      const { statement: signed, log: peerLog, side } = pairStateAnswer.parse(body);
      if (side.history === records.self.history) this.#peerLog = peerLog;
      if (signed === null) return;
      const statement = await statements.read(signed);
      const isCredible = statement.epoch <= records.self.epoch + EPOCH_LEAP_MAX;
      if (isCredible && statement.history === records.self.history && statement.holder !== key.sha256)
        this.#overruledBy = statement;
    } catch (error) {
      log.info({ err: error }, 'failover.peer-not-asked');
    }
  }

  async #takeLease(): Promise<void> {
    const { records, serving, database, log } = this.#pair.parts;
    if (records.serves && this.#pair.lease.isOn && !this.#pair.lease.isHeld) return;
    clearInterval(this.#timer);
    this.#awaitsLease = false;
    // Somebody else has become primary: what follows was done already.
    if (!records.serves) return;
    try {
      await serving.stop();
      database.close();
      database.openAs(this.opensAsFollower);
      this.databaseOpened();
    } catch (error) {
      log.error({ err: error }, 'failover.not-opened');
    } finally {
      await serving.start();
    }
  }

  /** A site.db (or a whole folder) of before was put back: it holds less than this box, or this very pair.db, knows of. It writes nothing until a person decides (I5). */
  noteRestored(): void {
    const { records, config } = this.#pair.parts;
    const { self } = records;
    const known = config.knownHistory === self.history ? (config.knownEpoch ?? 0) : 0;
    if (!servesAs(self.role) || self.history === '' || known <= self.epoch) return;
    this.#change.demote('read-only', { by: 'system', reason: 'restored' }, { readOnly: 'restored' });
  }
}
