/** Automatic failover, put together: the lease that writing needs then, and what its winning and losing do to the roles (architecture 8, docs/decisions/0204). */
import { AppError } from '@bascule/errors/app-error.ts';
import type { Endpoint, WitnessState } from '@bascule/protocol/api/failover.ts';
import type { FromFollower, FromSource, SignedStatement } from '@bascule/protocol/pair-link.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context } from '@bascule/store/store.ts';
import { SiteIdentity } from '../jump/jump.ts';
import { noPair, roleUnfit } from './failover-errors.ts';
import { Lease, type LeaseRoleFacts } from './lease.ts';
import type { PairParts } from './pair-parts.ts';
import { decidedBy, readValue, removeValue, writeValue } from './pair-store.ts';
import type { LeaseOfRoles } from './roles.ts';
import { ownStatement } from './statements.ts';
import { enrolAtWitness, readWitnessCode } from './witness-enrolment.ts';

const witnessEnrolled = defineAuditEvent<{ host: string; port: number; key: string }>(
  'FAILOVER_WITNESS_ENROLLED',
  'Enrolled this appliance at the witness {host}, port {port} (key {key})',
);
const witnessRemoved = defineAuditEvent<{ host: string }>('FAILOVER_WITNESS_REMOVED', 'Removed the witness {host}');

/** The witness, which both sides have just talked to, grants the first lease within this. */
const FIRST_GRANT_LIMIT_MS = 5_000;

export interface PairLeaseOptions {
  parts: PairParts;
  /** The witness gave this side the lease: it becomes primary. */
  won(won: { epoch: number; statement: SignedStatement; forcedBy: string | undefined }): Promise<void>;
  /** Somebody else has it by a higher epoch: this side writes no more. */
  lost(): Promise<void>;
  /** As `LeaseOptions.isReached`. */
  isReached(): boolean;
  /** Says something to the follower, or to the source, if there is a link. */
  toFollower(message: FromSource): void;
  toSource(message: FromFollower): void;
}

export class PairLease implements LeaseOfRoles {
  readonly #options: PairLeaseOptions;
  readonly #lease: Lease;
  /** What the other side signed over in a swap that is under way. */
  #handed: SignedStatement | undefined;
  #facts = '';

  constructor(options: PairLeaseOptions) {
    this.#options = options;
    const { log } = options.parts;
    this.#lease = new Lease({
      sign: (epoch) => this.#sign(epoch),
      position: () => this.#position(),
      isReached: () => options.isReached(),
      log,
    });
    this.#lease.onWon(({ epoch, statement, forcedBy }) => {
      log.info({ epoch }, 'failover.lease-won');
      options.won({ epoch, statement, forcedBy }).catch((error: unknown) => {
        log.error({ err: error, epoch }, 'failover.lease-not-used');
        void this.giveBack(epoch);
      });
    });
    this.#lease.onLost(() => {
      options.lost().catch((error: unknown) => log.error({ err: error }, 'failover.not-stepped-down'));
    });
    this.#lease.overPairLink({
      ask: (question) => options.toFollower({ kind: 'hold', ...question }),
      answer: (answer) => options.toSource({ kind: 'held', ...answer }),
    });
  }

  get isOn(): boolean {
    return this.#lease.isOn;
  }

  /** Throws `FAILOVER_NO_LEASE`. */
  assertHeld(): void {
    this.#lease.assertHeld();
  }

  /** Whether writing is allowed by it now. */
  get isHeld(): boolean {
    try {
      this.#lease.assertHeld();
      return true;
    } catch {
      return false;
    }
  }

  /** After automatic failover was turned on: resolves with true when this side may write by it (or has nothing to write), with false when the witness did not answer in time. */
  async whenWriting(): Promise<boolean> {
    return !this.#options.parts.records.serves || (await this.#lease.whenHeld(FIRST_GRANT_LIMIT_MS));
  }

  /**
   * Automatic failover was turned off, and ends at once: nobody else can be asked, and a person knows that the other side does not serve. Without effect when it has ended already.
   * Throws `FAILOVER_ROLE_UNFIT` while witness or peer answers: then it ends by itself.
   */
  async leaveRegardless(): Promise<void> {
    const { records, watch } = this.#options.parts;
    if (records.settings.automatic || !this.#lease.isOn) return;
    if ((await watch.ask()) || this.state()?.state === 'connected')
      throw roleUnfit('The witness, or the other appliance, answers: automatic failover ends by itself in a moment.');
    this.#options.parts.log.warn({}, 'failover.left-regardless');
    this.#lease.stop({ regardless: true });
  }

  /** For base; null: no lease is needed, or it does not end. */
  get leftMs(): number | null {
    const leftMs = this.#lease.leftMs();
    return leftMs === Infinity ? null : leftMs;
  }

  /** Role, settings or witness changed: the lease is turned on or off, or told of the role. */
  apply(enabledBy?: string): void {
    const { records, key } = this.#options.parts;
    const witness = this.#witness();
    const { peer } = records;
    if (!records.settings.automatic || witness === undefined || peer?.state !== 'active') {
      if (this.#lease.isOn) this.#lease.stop();
      this.#facts = '';
      return;
    }
    const facts = this.#roleFacts();
    const text = JSON.stringify(facts);
    if (this.#lease.isOn) {
      if (text !== this.#facts) this.#lease.setRole(facts);
    } else {
      this.#lease.start({
        endpoint: witness.endpoint,
        witnessKeySha256: witness.keySha256,
        keyPem: key.keyPem,
        certificatePem: key.certificatePem,
        site: witness.site,
        self: key.sha256,
        peer: peer.keySha256,
        ...facts,
        ...(enabledBy !== undefined && facts.role === 'primary' && { enabledBy }),
      });
    }
    this.#facts = text;
    // Said anew after each of these: until then the lease takes nobody to be in sync.
    if (facts.role === 'primary') this.#lease.setInSync(this.#options.parts.gate.isInSync);
  }

  /** As `Lease.setFit`, of a standby. */
  setFit(isFit: boolean): void {
    this.#lease.setFit(isFit);
  }

  /** Of the primary: the peer confirms what replies wait for. */
  setInSync(inSync: boolean): void {
    this.#lease.setInSync(inSync);
  }

  /** Before a primary in sync mode goes on alone: the witness has it on record. */
  async recordPeerBehind(): Promise<void> {
    if (this.#lease.isOn) await this.#lease.recordPeerBehind();
  }

  async release(peerInSync: boolean): Promise<void> {
    await this.#lease.release({ peerInSync });
  }

  resume(): void {
    this.#facts = '';
    this.apply();
  }

  /** Nothing was written in `epoch`: whoever was up to date before is so still. */
  async giveBack(epoch: number): Promise<void> {
    const wrote = (this.#options.parts.database.store?.head().epoch ?? 0) >= epoch;
    await this.#lease.release({ peerInSync: !wrote });
    this.resume();
  }

  async claim(
    options: { forcedBy?: string; handed?: SignedStatement } = {},
  ): Promise<{ epoch: number; statement: SignedStatement } | undefined> {
    this.#handed = options.handed;
    try {
      const won = await this.#lease.claim(options.forcedBy === undefined ? {} : { forcedBy: options.forcedBy });
      return won && { epoch: won.epoch, statement: won.statement };
    } finally {
      this.#handed = undefined;
    }
  }

  heardFromFollower(answer: Extract<FromFollower, { kind: 'held' }>): void {
    this.#lease.peerAnswers(answer);
  }

  heardFromSource({ nonce, epoch, leaseMs }: Extract<FromSource, { kind: 'hold' }>): void {
    this.#lease.peerAsks({ nonce, epoch, leaseMs });
  }

  /** An orderly restart of the program keeps the lease over it. */
  async prepareRestart(): Promise<void> {
    if (this.#lease.isOn) await this.#lease.prepareRestart();
  }

  /** For the page; null: there is no witness. */
  state(): WitnessState | null {
    const witness = this.#witness();
    if (witness === undefined) return null;
    return (
      this.#lease.state() ?? {
        endpoint: witness.endpoint,
        state: 'connected',
        lastAnswerAtMs: witness.enrolledAtMs,
        leaseLeftMs: null,
        holder: null,
        peerInSync: false,
      }
    );
  }

  /** When the witness last heard of the peer ('who still sees it'). */
  peerHeardAtMs(): number | null {
    const agoMs = this.#lease.peerHeardAgoMs();
    return agoMs === null ? null : this.#options.parts.now() - agoMs;
  }

  /** Enrols this appliance at the witness, by the code that it printed. Throws as `enrolAtWitness`. */
  async enrol(context: Context, endpoint: Endpoint, code: string): Promise<void> {
    const { records, key, config, now } = this.#options.parts;
    const site = records.self.history;
    if (site === '') throw noPair();
    const { witnessKeySha256, secret } = readWitnessCode(code);
    const access = { endpoint, witnessKeySha256, keyPem: key.keyPem, certificatePem: key.certificatePem };
    const { certificatePem: identityPem } = await SiteIdentity.open({ keysDir: config.paths.keys });
    await enrolAtWitness(access, { site, secret, identityPem, name: config.applianceName });
    const event = witnessEnrolled({ host: endpoint.host, port: endpoint.port, key: witnessKeySha256.slice(0, 16) });
    records.store.transact(context, event, (tx) =>
      writeValue(tx, 'witness', { endpoint, keySha256: witnessKeySha256, site, enrolledAtMs: now() }),
    );
    this.apply();
  }

  /** Throws `FAILOVER_WITNESS_NEEDED` while automatic failover is on. */
  remove(context: Context): void {
    const { records } = this.#options.parts;
    const witness = this.#witness();
    if (witness === undefined) return;
    if (records.settings.automatic)
      throw new AppError('conflict', 'FAILOVER_WITNESS_NEEDED', 'Automatic failover needs the witness: turn it off first.');
    records.store.transact(context, witnessRemoved({ host: witness.endpoint.host }), (tx) => removeValue(tx, 'witness'));
    this.apply();
  }

  get hasWitness(): boolean {
    return this.#witness() !== undefined;
  }

  close(): void {
    this.#lease.close();
  }

  #witness() {
    return readValue(this.#options.parts.records.store, 'witness');
  }

  #roleFacts(): LeaseRoleFacts {
    const { records } = this.#options.parts;
    const { self } = records;
    const role = self.role === 'primary' ? 'primary' : self.role === 'backup' ? 'standby' : 'none';
    return {
      role,
      history: self.history,
      epoch: self.epoch,
      statement: role === 'primary' ? (self.statement ?? undefined) : undefined,
      ...(role === 'primary' && { decidedBy: decidedBy(records.store, records.appliance, self.epoch) }),
    };
  }

  #position(): { seq: number; peerSeq: number } {
    const { database, gate, records, watch } = this.#options.parts;
    const seq = database.store?.head().seq ?? 0;
    return { seq, peerSeq: records.serves ? gate.ackedSeq : (watch.state?.log.seq ?? 0) };
  }

  async #sign(epoch: number): Promise<SignedStatement> {
    const { records, statements, key, config, now } = this.#options.parts;
    const handed = this.#handed;
    if (handed !== undefined && ownStatement(handed)?.epoch === epoch) return handed;
    const { history } = records.self;
    const predecessor = { history, epoch: records.self.epoch };
    const holder = { holder: key.sha256, holderName: config.applianceName };
    return await statements.sign({ history, epoch, ...holder, predecessor, atMs: now() });
  }
}
