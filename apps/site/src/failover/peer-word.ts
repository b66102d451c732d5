/** What the other side says of itself, and what follows from it: a newer signed word is learned, a break is followed, settings and keys are taken over (docs/decisions/0201). */
import type { PairSettings } from '@bascule/protocol/api/failover.ts';
import type { PairStateAnswer, SignedStatement } from '@bascule/protocol/pair-link.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { epochTooHigh } from './failover-errors.ts';
import { statementNoted } from './failover-events.ts';
import { servesAs } from './pair-records.ts';
import type { Pair } from './pair.ts';
import { byPeer } from './roles.ts';
import { takeUsedCodes } from './used-codes.ts';
import { findParting } from './side-changes.ts';
import { CLOCK_MARGIN_MS, EPOCH_LEAP_MAX, isAbove, ownStatement } from './statements.ts';
import { BY_WITNESS } from './pair-store.ts';

/** Whoever lost the lease while something else was under way looks again after this, at the latest. */
const LEASE_LOST_WAIT_MS = 1000;
/** An answer that was given before a relationship was established (again) comes within this, and says nothing of it. */
const STALE_ANSWER_MS = 5000;

export class PeerWord {
  readonly #pair: Pair;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** What the other side says of itself: a newer signed word is learned, a break is followed, its archives are taken. */
  async heard(state: PairStateAnswer): Promise<void> {
    const { records, statements } = this.#pair.parts;
    if (this.#pair.exclusive.busy !== null) return;
    const own = ownStatement(records.self.statement);
    // A side that was broken with has the site identity too: its word is nobody's any more.
    if (records.trustsPeer && state.statement !== null && state.statement.signature !== records.self.statement?.signature) {
      const statement = await statements.read(state.statement);
      if (statement.history === records.self.history && isAbove(statement, own) && this.#isCredible(statement.epoch))
        await this.learn(state.statement);
    }
    const { peer } = records;
    if (
      peer?.state === 'active' &&
      state.isActive === false &&
      state.side.keySha256 === peer.keySha256 &&
      this.#pair.exclusive.busy === null &&
      this.#pair.parts.now() - peer.sinceMs > STALE_ANSWER_MS
    )
      await this.#pair.roles.breakOwnSide(SYSTEM, peer.name, state.isApartForPlan === true ? 'plan' : 'peer');
    if (records.trustsPeer) this.#pair.historyTaking.offered(state.archives ?? []);
    if (records.trustsPeer) takeUsedCodes(this.#pair, state);
    this.#followSettings(state);
    if (servesAs(state.side.role)) this.#pair.keyRenewal.heard(state.keysSha256, state.ringSha256);
    this.#pair.options.changed();
  }

  /** An epoch far above every other would leave none for those to come. */
  #isCredible(epoch: number): boolean {
    const { records, log } = this.#pair.parts;
    if (epoch <= records.self.epoch + EPOCH_LEAP_MAX) return true;
    log.error({ epoch, known: records.self.epoch }, 'failover.epoch-not-credible');
    return false;
  }

  /** A backup has the settings of the relationship that the primary has. */
  #followSettings({ settings, side }: PairStateAnswer): void {
    const { records } = this.#pair.parts;
    if (settings === undefined || records.self.role !== 'backup' || side.role !== 'primary') return;
    const { backupOperations: _own, ...shared } = settings;
    // Without the witness of its own it could not keep its part.
    const automatic = shared.automatic && this.#pair.lease.hasWitness;
    const differs = Object.entries({ ...shared, automatic }).some(
      ([name, value]) => records.settings[name as keyof PairSettings] !== value,
    );
    if (differs) this.#pair.changeSettings(byPeer(side.appliance), { ...shared, automatic });
  }

  /** Somebody holds a higher epoch than we knew: the one named writes, and nobody else. */
  async learn(signed: SignedStatement): Promise<void> {
    const { records, statements, key } = this.#pair.parts;
    const statement = await statements.read(signed);
    const { epoch, holder, holderName } = statement;
    if (!this.#isCredible(epoch)) throw epochTooHigh(epoch);
    if (holder === key.sha256) {
      if (records.serves) return;
      // Signed over to us, and the answer was lost.
      return await this.#pair.roles.takeHandedOver(signed, epoch);
    }
    if (!records.serves) {
      records.note(statementNoted({ epoch, holder: holderName }), { statement: signed, epoch });
      return;
    }
    this.#pair.overrule(true);
    try {
      await this.#pair.exclusive.run('step-down', async () => {
        const parted = await this.#hasOwnChangesAfter(statement.atMs);
        const role = parted || !records.isActive ? 'read-only' : 'backup';
        await this.#pair.roles.stepDown({ by: holderName, reason: 'superseded' }, role, {
          statement: signed,
          epoch,
          readOnly: role === 'backup' ? null : parted ? 'superseded' : 'broken',
        });
      });
    } finally {
      this.#pair.overrule(false);
    }
  }

  /** The witness says that somebody else is primary: nothing can be written already. What becomes of this side is said by that one's statement. */
  async leaseLost(): Promise<void> {
    if (!this.#pair.parts.records.serves) return;
    await this.#pair.parts.watch.ask();
    // It is said once: what is under way just now is waited for.
    while (this.#pair.exclusive.busy !== null) await this.#pair.exclusive.idle(LEASE_LOST_WAIT_MS);
    if (!this.#pair.parts.records.serves || this.#pair.lease.isHeld) return;
    await this.#pair.exclusive.run('step-down', () =>
      this.#pair.roles.stepDown({ by: BY_WITNESS, reason: 'superseded' }, 'backup'),
    );
  }

  /** Whether this side went on writing after the other took over: then a person decides whose changes stay. */
  async #hasOwnChangesAfter(atMs: number): Promise<boolean> {
    const { database, dial } = this.#pair.parts;
    const { store } = database;
    if (store === undefined) return false;
    const parting = (await findParting(dial, store)) ?? 0;
    const newest = store.entriesAfter(Math.max(0, store.head().seq - 1), 1)[0];
    return newest !== undefined && newest.seq > parting && newest.atMs > atMs + CLOCK_MARGIN_MS;
  }

  /** The follower has entries of this very epoch that are not here: this side was restored, and writes no more (I5). */
  isBehindItsFollower(): void {
    if (this.#pair.exclusive.busy !== null || !this.#pair.parts.records.serves) return;
    this.#pair.overrule(true);
    this.#pair.exclusive
      .run('step-down', () =>
        this.#pair.roles.stepDown({ by: 'system', reason: 'restored' }, 'read-only', { readOnly: 'restored' }),
      )
      .catch((error: unknown) => this.#pair.parts.log.error({ err: error }, 'failover.not-stepped-down'))
      .finally(() => this.#pair.overrule(false));
  }
}
