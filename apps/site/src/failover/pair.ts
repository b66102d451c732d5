/** The pair of this appliance, put together: opened at the first need, and then at every start. */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import type {
  Endpoint,
  EstablishRequest,
  Exposure,
  PairConflict,
  PairRole,
  PairSettings,
} from '@bascule/protocol/api/failover.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import { ESTABLISH_PREFIX, PairDoor } from './pair-door.ts';
import { PAIR_VERSIONS, type FollowHello, type PairStateAnswer, type SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { FromRelay } from '@bascule/protocol/relay-control.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { SiteConfig } from '../config/config.ts';
import { Conflicts } from './conflicts.ts';
import { CopiedAccounts } from './copied-accounts.ts';
import { Establishing, type CertificateExchange } from './establish.ts';
import { establishingOptions } from './establish-here.ts';
import { Exclusive } from './exclusive.ts';
import type { Serving } from './failover.ts';
import { noPair, notWriting, peerRefused, peerUnreachable, roleUnfit, witnessNeeded, wrongSource } from './failover-errors.ts';
import { copyNoted, settingsChanged, statementNoted } from './failover-events.ts';
import { FollowSink } from './follow-sink.ts';
import { FollowSource, type FollowerStatus } from './follow-source.ts';
import { GivenWay } from './given-way.ts';
import { HistoryTaking } from './history-taking.ts';
import { KeyRenewal } from './key-renewal.ts';
import { PairAlarms } from './pair-alarms.ts';
import { PairDial } from './pair-dial.ts';
import { exposureOf, sideOf } from './pair-figures.ts';
import { PairKey } from './pair-key.ts';
import { PairLease } from './pair-lease.ts';
import type { PairParts } from './pair-parts.ts';
import { PairRecords, servesAs } from './pair-records.ts';
import { PairRefusals } from './pair-refusals.ts';
import { PairRequests, type WorkKind } from './pair-requests.ts';
import { PeerWork } from './peer-work.ts';
import { readValue, writeValue } from './pair-store.ts';
import { PeerGate } from './peer-gate.ts';
import { PeerWatch, type PairTiming } from './peer-watch.ts';
import { PreSharedKey } from './pre-shared-key.ts';
import { RoleChange } from './role-change.ts';
import { byPeer, Roles } from './roles.ts';
import type { SiteDatabase } from './site-database.ts';
import { findParting } from './side-changes.ts';
import { Snapshots } from './snapshots.ts';
import { isAbove, ownStatement, StatementSource } from './statements.ts';

/** Figures that change all the time are written down this often at most. */
const NOTE_INTERVAL_MS = 10_000;
/** Sync Now answers within this; copying goes on all the same. */
const SYNC_LIMIT_MS = 25_000;
/** How often it is looked whether the follower has compared, and how many times. */
const COMPARED_LOOK_MS = 250;
const COMPARED_LOOKS = 40;
/** Clocks of the two sides may differ by so much when it is compared what came first. */
const CLOCK_MARGIN_MS = 2000;
/** With automatic failover a primary that starts waits so long for the lease before it serves as a standby meanwhile. */
const LEASE_START_WAIT_MS = 3000;
/** A change of roles that is under way at an orderly end may finish within this; else the next start goes on with it. */
const CLOSE_LIMIT_MS = 1000;
const LEASE_LOOK_MS = 50;
const ZERO_HASH = '0'.repeat(64);

export interface PairOptions {
  config: SiteConfig;
  store: Store;
  database: SiteDatabase;
  serving: Serving;
  /** Migrations that this software knows: of site.db. */
  knownMigrations: number[];
  /** The web certificate, which base keeps. */
  certificate: CertificateExchange;
  /** What the state shows changed. */
  changed(): void;
  /** Rows of these tables of site.db were changed by the primary. */
  applied(tables: string[]): void;
  /** The other base asks ours. */
  box(question: BoxQuestion): Promise<BoxAnswer>;
  /** Mail to whoever hears of alarms. */
  mail(alarm: { code: string; text: string }): void;
  /** Clients and sessions of this side, and what its relay says. */
  figures(): { clientsOnline: number; sessions: number };
  log: Log;
  now(): number;
  /** Shorter for tests. */
  timing?: PairTiming | undefined;
}

export class Pair {
  readonly parts: PairParts;
  readonly roles: Roles;
  readonly exclusive: Exclusive;
  readonly preSharedKey: PreSharedKey;
  readonly establishing: Establishing;
  readonly givenWay: GivenWay;
  readonly lease: PairLease;
  readonly alarms: PairAlarms;
  /** The follower's own word, while this side is followed. */
  follower: FollowerStatus | undefined;
  /** What the relay of this side last said of its copies. */
  relayCopy: Extract<FromRelay, { kind: 'pair-copy' }> | undefined;
  readonly #options: PairOptions;
  readonly #door: PairDoor;
  readonly #refusals: PairRefusals;
  readonly #change: RoleChange;
  readonly #historyTaking: HistoryTaking;
  readonly #conflicts: Conflicts;
  readonly #work: PeerWork;
  readonly #keyRenewal: KeyRenewal;
  #isWritingHeld = false;
  #sourceHead: { seq: number; atMs: number } | undefined;
  #copied: { completedAtMs: number | null; comparedAtMs: number | null };
  #notedAtMs = 0;
  #isStarted = false;
  #leaseTimer: NodeJS.Timeout | undefined;
  /** The primary by pair.db, which waits for the witness. */
  awaitsLease = false;
  #differing: string[] | undefined;

  private constructor(options: PairOptions, key: PairKey) {
    const { config, store, database, serving, log, now } = options;
    this.#options = options;
    const records = new PairRecords({ store, appliance: config.applianceName, now });
    const pinned = () => records.peer?.keySha256;
    const dial = new PairDial({ key, pinned, endpoint: () => records.peer?.endpoint, log });
    this.exclusive = new Exclusive({ log, now, changed: options.changed });
    const gate = new PeerGate({
      mode: () => records.settings.mode,
      beforeAlone: () => this.lease.recordPeerBehind(),
      inSyncChanged: (isInSync) => {
        if (records.serves) this.lease.setInSync(isInSync);
        options.changed();
      },
      log,
    });
    this.parts = {
      config,
      log,
      now,
      isStarted: () => this.#isStarted,
      key,
      records,
      database,
      statements: new StatementSource(config.paths.keys),
      accounts: new CopiedAccounts(store, log),
      dial,
      gate,
      source: this.#makeSource(),
      sink: this.#makeSink(dial),
      snapshots: new Snapshots(config.paths.pairWork, log),
      watch: new PeerWatch({
        dial,
        isPaired: () => records.peer !== undefined,
        heard: (state) =>
          void this.#heard(state).catch((error: unknown) => log.warn({ err: error }, 'failover.peer-state-unusable')),
        changed: () => options.changed(),
        timing: options.timing,
        log,
        now,
      }),
      serving,
    };
    this.#change = new RoleChange(this.parts);
    this.lease = new PairLease({
      parts: this.parts,
      won: (won) => this.roles.becomePrimaryByLease(won),
      lost: () => this.#leaseLost(),
      toFollower: (message) => this.parts.source.say(message),
      toSource: (message) => this.parts.sink.say(message),
    });
    this.givenWay = new GivenWay(this.parts);
    this.#historyTaking = new HistoryTaking(this.parts);
    this.#conflicts = new Conflicts(this);
    this.#work = new PeerWork(this);
    this.#keyRenewal = new KeyRenewal(this.parts);
    this.alarms = new PairAlarms({ pair: this, mail: options.mail, changed: options.changed });
    this.roles = new Roles({
      parts: this.parts,
      change: this.#change,
      exclusive: this.exclusive,
      lease: this.lease,
      exposure: () => this.exposure(),
      highestEpoch: () => this.#highestEpoch(),
      holdWriting: (isHeld) => (this.#isWritingHeld = isHeld),
    });
    this.preSharedKey = new PreSharedKey({ store, keysDir: config.paths.keys, now });
    this.#refusals = new PairRefusals({ store, log, now });
    this.establishing = new Establishing(establishingOptions(this));
    this.#copied = readValue(store, 'copied') ?? { completedAtMs: null, comparedAtMs: null };
    this.#sourceHead = readValue(store, 'sourceHead');
    const requests = new PairRequests({
      state: () => this.#stateAnswer(),
      role: (order) => this.roles.answer(order),
      box: (question) => options.box(question),
      store: () => database.store,
      snapshots: this.parts.snapshots,
      archives: this.givenWay,
      keys: async () => this.#keyRenewal.give(),
      work: (kind) => this.#work.begin(kind),
      witness: ({ endpoint, code }) => this.lease.enrol(byPeer(records.peer?.name ?? ''), endpoint, code),
      log,
    });
    this.#door = new PairDoor({
      key,
      pinned,
      onRequest: (request, response) => {
        if (request.url?.startsWith(ESTABLISH_PREFIX) === true) this.establishing.answer(request, response);
        else requests.handle(request, response);
      },
      onFollow: (socket) => this.parts.source.accept(socket),
      onRefused: (why, address) => this.#refusals.note(why, address),
      log,
      now,
    });
    records.onChange(() => {
      this.lease.apply();
      this.#door.dropOthers();
      options.changed();
    });
  }

  /** Opens pair key and records, and finishes what a cut left half done, before site.db is opened. */
  static async open(options: PairOptions): Promise<Pair> {
    const pair = new Pair(options, await PairKey.open(options.config.paths.keys));
    pair.#noteRestored();
    await pair.establishing.resume();
    pair.lease.apply();
    await pair.#whenLeaseIsClear();
    return pair;
  }

  get role(): PairRole {
    return this.parts.records.self.role;
  }

  get copied(): { completedAtMs: number | null; comparedAtMs: number | null } {
    return this.#copied;
  }

  get sourceHead(): { seq: number; atMs: number } | undefined {
    return this.#sourceHead;
  }

  get options(): PairOptions {
    return this.#options;
  }

  /** Whether site.db is opened as a follower's: also to finish a promotion that was cut. */
  get opensAsFollower(): boolean {
    const { records } = this.parts;
    return !records.serves || this.awaitsLease || records.self.pendingEpoch !== null;
  }

  /** After site.db was opened: a promotion that was cut is finished; and a database that is older than what was signed for writes nothing (I5). */
  databaseOpened(): void {
    const { records, database } = this.parts;
    if (!records.serves || this.awaitsLease) return;
    this.#change.finishPromotion(SYSTEM, { by: 'system', reason: 'swapped' });
    if (records.self.history !== '' && database.store !== undefined && database.store.head().epoch < records.self.epoch)
      this.#change.demote('read-only', { by: 'system', reason: 'restored' }, { readOnly: 'restored' });
  }

  start(): void {
    this.#isStarted = true;
    this.parts.watch.start();
    if (this.awaitsLease) this.#leaseTimer = setInterval(() => void this.#takeLease(), LEASE_LOOK_MS);
    this.#change.resumeFollowing();
  }

  /** Store option: throws while this side must not write. */
  mayWrite(): void {
    if (this.#isWritingHeld || !this.parts.records.serves) throw notWriting();
    this.lease.assertHeld();
  }

  /** Whether nothing holds back writing just now. */
  get isWriting(): boolean {
    return !this.#isWritingHeld;
  }

  /** What is left of the lease; null: none is needed. */
  get leaseLeftMs(): number | null {
    return this.lease.leftMs;
  }

  /** Resolves when the reply to what was changed until now may be given. */
  async beforeReply(): Promise<void> {
    await this.parts.gate.beforeReply();
    // What was written while the lease was held is told to nobody once it is not.
    if (this.parts.records.serves) this.lease.assertHeld();
  }

  acceptLink(socket: Socket, head: Uint8Array): void {
    this.#door.take(socket, head);
  }

  /** What would be lost if the primary were gone now, as far as this side knows; null without a relationship. */
  exposure(): Exposure | null {
    return exposureOf(this);
  }

  get freeBytes(): number | null {
    return sideOf(this).freeBytes;
  }

  get isInConflict(): boolean {
    return this.#conflicts.look() !== undefined;
  }

  /** What there is to decide between two sides that have gone apart; null: nothing. */
  async conflict(): Promise<PairConflict | null> {
    return await this.#conflicts.current();
  }

  /** Keeps `keep` as primary (Fix); resolves when it is begun, with what goes on. Throws as `Conflicts.fix`. */
  async fix(context: Context, keep: string): Promise<{ done: Promise<void> }> {
    return await this.#conflicts.fix(context, keep);
  }

  /** For scripts that force: whatever would be lost. */
  lossAccepted(isForced: boolean): { changes: number; seconds: number } | undefined {
    return isForced ? { changes: Number.MAX_SAFE_INTEGER, seconds: Number.MAX_SAFE_INTEGER } : undefined;
  }

  /** Establishes the relationship with this appliance as primary (B142-B153). Throws as `Establishing.establish`. */
  async establish(context: Context, request: EstablishRequest): Promise<void> {
    await this.exclusive.run('establish', () => this.establishing.establish(context, request));
    this.start();
  }

  /** Enrols both sides at the witness, by the code that it printed. Throws when either cannot; the person tries again. */
  async enrolAtWitness(context: Context, endpoint: Endpoint, code: string): Promise<void> {
    await this.lease.enrol(context, endpoint, code);
    const { status, body } = await this.parts.dial.request('POST', '/witness', { endpoint, code });
    if (status !== 200)
      throw peerRefused(
        (body as { code?: string } | undefined)?.code,
        'The other appliance could not enrol at the witness: look whether it reaches it.',
      );
  }

  /** Changes settings; both sides have the primary's, but for what a backup answers. */
  changeSettings(context: Context, change: Partial<PairSettings>): PairSettings {
    const { records } = this.parts;
    if (change.automatic === true && !records.settings.automatic && !this.lease.hasWitness) throw witnessNeeded();
    const names = Object.keys(change) as (keyof PairSettings)[];
    const changes = names
      .filter((name) => change[name] !== records.settings[name])
      .map((name) => `${name} from ${records.settings[name]} to ${change[name]}`);
    if (changes.length === 0) return records.settings;
    records.setSettings(context, settingsChanged({ changes: changes.join(', ') }), { ...records.settings, ...change });
    if (change.automatic === true) this.lease.apply(context.actor.name);
    return records.settings;
  }

  /** Has the other side do what only it can do; resolves with its result. Throws `FAILOVER_PEER_UNREACHABLE`, or its refusal. */
  async askPeerTo(kind: WorkKind): Promise<unknown> {
    return await this.#work.ask(kind);
  }

  /** Compares all tables of both sides at one entry; false when changes came between. Throws when they differ, or nobody follows. */
  async compareNow(): Promise<boolean> {
    const { source, watch } = this.parts;
    if (!source.isFollowed) throw peerUnreachable();
    await watch.ask();
    const before = watch.state?.comparedAtMs ?? null;
    this.#differing = undefined;
    await source.compare();
    for (let look = 0; look < COMPARED_LOOKS; look += 1) {
      await delay(COMPARED_LOOK_MS);
      const differing = this.#foundDiffering();
      if (differing !== undefined) throw roleUnfit(`The copies differ in ${differing.join(', ')}: the backup takes a new copy.`);
      await watch.ask();
      if ((watch.state?.comparedAtMs ?? null) !== before) return true;
    }
    return false;
  }

  #foundDiffering(): string[] | undefined {
    return this.#differing;
  }

  /** B125, B152: everything that is there now is copied; on a backup it pulls, on a primary the backup is asked how far it is. Throws `FAILOVER_PEER_UNREACHABLE`. */
  async syncNow(): Promise<void> {
    const { records, sink, gate, database, source, watch } = this.parts;
    if (records.peer === undefined) throw noPair();
    if (!(await watch.ask())) throw peerUnreachable();
    if (records.serves) {
      const seq = database.store?.head().seq ?? 0;
      if (!source.isFollowed || !(await gate.whenAcked(seq, SYNC_LIMIT_MS))) throw peerUnreachable();
      await source.compare();
      this.#copied = { ...this.#copied, completedAtMs: this.parts.now() };
      return;
    }
    sink.hurry();
    await this.roles.whenCaughtUp(SYNC_LIMIT_MS);
  }

  /** As `Serving.stop` and following: a backup that a person has fixed goes on. */
  resumeFollowing(): void {
    this.#change.resumeFollowing();
  }

  async close(): Promise<void> {
    const { watch, source, sink, dial, gate, snapshots } = this.parts;
    watch.close();
    clearInterval(this.#leaseTimer);
    this.alarms.close();
    await this.exclusive.idle(CLOSE_LIMIT_MS);
    this.lease.close();
    this.establishing.close();
    await sink.stop();
    source.close();
    dial.close();
    gate.close();
    await this.#door.close();
    await this.#historyTaking.settled();
    await this.#keyRenewal.settled();
    snapshots.close();
    this.#refusals.close();
    this.#noteFigures(true);
  }

  /** With automatic failover a primary that starts serves when the witness lets it: until then it is a standby. */
  async #whenLeaseIsClear(): Promise<void> {
    const { records } = this.parts;
    const endMs = performance.now() + LEASE_START_WAIT_MS;
    while (records.serves && this.lease.isOn && !this.lease.isHeld && performance.now() < endMs) await delay(LEASE_LOOK_MS);
    this.awaitsLease = records.serves && this.lease.isOn && !this.lease.isHeld;
  }

  async #takeLease(): Promise<void> {
    const { records, serving, database, log } = this.parts;
    if (records.serves && this.lease.isOn && !this.lease.isHeld) return;
    clearInterval(this.#leaseTimer);
    this.awaitsLease = false;
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

  /** The follower has entries of this very epoch that are not here: this side was restored, and writes no more (I5). */
  #isBehindItsFollower(): void {
    if (this.exclusive.busy !== null || !this.parts.records.serves) return;
    this.#isWritingHeld = true;
    this.exclusive
      .run('step-down', () => this.roles.stepDown({ by: 'system', reason: 'restored' }, 'read-only', { readOnly: 'restored' }))
      .catch((error: unknown) => this.parts.log.error({ err: error }, 'failover.not-stepped-down'))
      .finally(() => (this.#isWritingHeld = false));
  }

  /** A site.db (or a whole folder) of before was put back: it holds less than this box, or this very pair.db, knows of. It writes nothing until a person decides (I5). */
  #noteRestored(): void {
    const { records, config } = this.parts;
    const { self } = records;
    const known = config.knownHistory === self.history ? (config.knownEpoch ?? 0) : 0;
    if (!servesAs(self.role) || self.history === '' || known <= self.epoch) return;
    this.#change.demote('read-only', { by: 'system', reason: 'restored' }, { readOnly: 'restored' });
  }

  #makeSource(): FollowSource {
    const { log, now, database } = this.#options;
    const records = () => this.parts.records;
    return new FollowSource({
      store: () => database.store,
      history: () => records().self.history,
      statement: () => records().self.statement,
      mayServe: () => records().serves,
      acked: (seq, headSeq) => this.parts.gate.acked(seq, headSeq),
      gone: () => {
        this.follower = undefined;
        this.parts.gate.gone();
        this.#options.changed();
      },
      heard: (status) => (this.follower = status),
      held: (answer) => this.lease.heardFromFollower(answer),
      ahead: () => this.#isBehindItsFollower(),
      differs: (tables) => {
        this.#differing = tables;
        log.error({ tables }, 'failover.copies-differ');
      },
      log,
      now,
    });
  }

  #makeSink(dial: PairDial): FollowSink {
    const { config, log, database, changed } = this.#options;
    return new FollowSink({
      dial,
      store: () => database.store,
      hello: () => this.#hello(),
      status: () => ({
        freeBytes: sideOf(this).freeBytes,
        recordingBytesLeft: this.relayCopy?.recordingBytesLeft ?? 0,
        fileBytesLeft: this.relayCopy?.fileBytesLeft ?? 0,
        timeMs: this.parts.now(),
      }),
      following: (statement) => this.#following(statement),
      applied: (seq, tables) => this.#applied(seq, tables),
      head: (seq, atMs) => this.#noteHead(seq, atMs),
      compared: (differing) => this.#compared(differing),
      hold: (question) => this.lease.heardFromSource(question),
      mayReplace: (reason) => this.givenWay.mayReplace(reason),
      replace: (file, reason) => this.givenWay.replace(file, reason),
      folder: config.paths.pairWork,
      bytesPerSecond: () => this.parts.records.settings.bytesPerSecond,
      changed: () => {
        if (this.#isStarted) this.#noteReady();
        changed();
      },
      log,
    });
  }

  #hello(): FollowHello {
    const { records, database, config } = this.parts;
    const head = database.store?.head();
    return {
      versions: [...PAIR_VERSIONS],
      history: records.self.history,
      epoch: head?.epoch ?? 0,
      seq: head?.seq ?? 0,
      hash: head === undefined ? ZERO_HASH : Buffer.from(head.hash).toString('hex'),
      knownMigrations: this.#options.knownMigrations,
      softwareVersion: config.version,
    };
  }

  /** The source's right to be followed: the newest statement is about it. */
  async #following(signed: SignedStatement): Promise<void> {
    const { records, statements } = this.parts;
    const statement = await statements.read(signed);
    const own = ownStatement(records.self.statement);
    if (statement.holder !== records.peer?.keySha256 || (own !== undefined && own.epoch > statement.epoch)) throw wrongSource();
    if (own === undefined || isAbove(statement, own)) await this.#learn(signed);
  }

  #applied(seq: number, tables: string[]): void {
    const { database, accounts, now } = this.parts;
    if (database.store !== undefined) accounts.changed(database.store, tables);
    if (seq >= (this.#sourceHead?.seq ?? 0)) this.#copied = { ...this.#copied, completedAtMs: now() };
    this.#options.applied(tables);
    this.#noteReady();
    this.#noteFigures(false);
  }

  #noteHead(seq: number, atMs: number): void {
    this.#sourceHead = { seq, atMs };
    if ((this.parts.database.store?.head().seq ?? -1) >= seq) this.#copied = { ...this.#copied, completedAtMs: this.parts.now() };
    this.#noteReady();
    this.#noteFigures(false);
  }

  /** A standby may take over by itself while it follows, and lacks nothing that it knows of. */
  #noteReady(): void {
    const { sink, database, records } = this.parts;
    if (records.serves) return;
    this.lease.setInSync(sink.isFollowing && (database.store?.head().seq ?? -1) >= (this.#sourceHead?.seq ?? 0));
  }

  #compared(differing: string[]): void {
    const { log, now, sink } = this.parts;
    if (differing.length === 0) {
      this.#copied = { ...this.#copied, comparedAtMs: now() };
      this.#options.changed();
      return;
    }
    log.error({ tables: differing }, 'failover.copy-differs');
    sink.takeSnapshot();
  }

  /** Figures for the page outlive a restart, but are not worth a write each time. */
  #noteFigures(isLast: boolean): void {
    const { records, now } = this.parts;
    if (!isLast && now() - this.#notedAtMs < NOTE_INTERVAL_MS) return;
    this.#notedAtMs = now();
    const head = this.#sourceHead;
    if (records.self.role !== 'backup' || head === undefined) return;
    records.store.transact(SYSTEM, copyNoted({ what: `entry ${head.seq}` }), (tx) => {
      writeValue(tx, 'copied', this.#copied);
      writeValue(tx, 'sourceHead', head);
    });
  }

  async #stateAnswer(): Promise<PairStateAnswer> {
    const { records, database, gate, now, watch } = this.parts;
    const head = database.store?.head();
    const peerRole = watch.state?.side.role;
    return {
      side: sideOf(this),
      statement: records.self.statement,
      mode: records.settings.mode,
      log: {
        seq: head?.seq ?? 0,
        hash: head === undefined ? ZERO_HASH : Buffer.from(head.hash).toString('hex'),
        ackedSeq: gate.ackedSeq,
      },
      timeMs: now(),
      rolesAgree: peerRole === undefined || servesAs(peerRole) !== records.serves,
      isActive: records.isActive,
      readOnly: records.self.readOnly,
      archives: this.givenWay.offered(),
      comparedAtMs: this.#copied.comparedAtMs,
      settings: records.settings,
      keysSha256: this.#keyRenewal.hash(),
    };
  }

  /** What the other side says of itself: a newer signed word is learned, a break is followed, its archives are taken. */
  async #heard(state: PairStateAnswer): Promise<void> {
    const { records, statements } = this.parts;
    if (this.exclusive.busy !== null) return;
    const own = ownStatement(records.self.statement);
    if (state.statement !== null && state.statement.signature !== records.self.statement?.signature) {
      const statement = await statements.read(state.statement);
      if (statement.history === records.self.history && isAbove(statement, own)) await this.#learn(state.statement);
    }
    const { peer } = records;
    if (
      peer?.state === 'active' &&
      state.isActive === false &&
      state.side.keySha256 === peer.keySha256 &&
      this.exclusive.busy === null
    )
      await this.roles.breakOwnSide(SYSTEM, peer.name);
    this.#historyTaking.offered(state.archives ?? []);
    this.#followSettings(state);
    if (servesAs(state.side.role)) this.#keyRenewal.heard(state.keysSha256);
    this.#options.changed();
  }

  /** A backup has the settings of the relationship that the primary has. */
  #followSettings({ settings, side }: PairStateAnswer): void {
    const { records } = this.parts;
    if (settings === undefined || records.self.role !== 'backup' || side.role !== 'primary') return;
    const { backupOperations: _own, ...shared } = settings;
    // Without the witness of its own it could not keep its part.
    const automatic = shared.automatic && this.lease.hasWitness;
    const differs = Object.entries({ ...shared, automatic }).some(
      ([name, value]) => records.settings[name as keyof PairSettings] !== value,
    );
    if (differs) this.changeSettings(byPeer(side.appliance), { ...shared, automatic });
  }

  /** Somebody holds a higher epoch than we knew: the one named writes, and nobody else. */
  async #learn(signed: SignedStatement): Promise<void> {
    const { records, statements, key } = this.parts;
    const statement = await statements.read(signed);
    const { epoch, holder, holderName } = statement;
    if (holder === key.sha256) {
      if (records.serves) return;
      // Signed over to us, and the answer was lost.
      return await this.roles.takeHandedOver(signed, epoch);
    }
    if (!records.serves) {
      records.note(statementNoted({ epoch, holder: holderName }), { statement: signed, epoch });
      return;
    }
    this.#isWritingHeld = true;
    try {
      await this.exclusive.run('step-down', async () => {
        const parted = await this.#hasOwnChangesAfter(statement.atMs);
        const role = parted || !records.isActive ? 'read-only' : 'backup';
        await this.roles.stepDown({ by: holderName, reason: 'superseded' }, role, {
          statement: signed,
          epoch,
          readOnly: role === 'backup' ? null : parted ? 'superseded' : 'broken',
        });
      });
    } finally {
      this.#isWritingHeld = false;
    }
  }

  /** The witness says that somebody else is primary: nothing can be written already. What becomes of this side is said by that one's statement. */
  async #leaseLost(): Promise<void> {
    if (!this.parts.records.serves) return;
    await this.parts.watch.ask();
    if (!this.parts.records.serves || this.exclusive.busy !== null) return;
    await this.exclusive.run('step-down', () => this.roles.stepDown({ by: 'witness', reason: 'superseded' }, 'backup'));
  }

  /** Whether this side went on writing after the other took over: then a person decides whose changes stay. */
  async #hasOwnChangesAfter(atMs: number): Promise<boolean> {
    const { database, dial } = this.parts;
    const { store } = database;
    if (store === undefined) return false;
    const parting = (await findParting(dial, store)) ?? 0;
    const newest = store.entriesAfter(Math.max(0, store.head().seq - 1), 1)[0];
    return newest !== undefined && newest.seq > parting && newest.atMs > atMs + CLOCK_MARGIN_MS;
  }

  #highestEpoch(): number {
    const { records, database, watch, config } = this.parts;
    const heard = watch.state === undefined ? 0 : (ownStatement(watch.state.statement)?.epoch ?? 0);
    return Math.max(records.self.epoch, database.store?.head().epoch ?? 0, heard, config.knownEpoch ?? 0);
  }
}
