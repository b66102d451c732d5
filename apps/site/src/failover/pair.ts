/** The pair of this appliance, put together: opened at the first need, and then at every start. */
import type { Socket } from 'node:net';
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
import type { FromRelay } from '@bascule/protocol/relay-control.ts';
import { type Context, type Store } from '@bascule/store/store.ts';
import type { SiteConfig } from '../config/config.ts';
import { Conflicts } from './conflicts.ts';
import { CopyProgress } from './copy-progress.ts';
import { CopiedAccounts } from './copied-accounts.ts';
import { Establishing, type CertificateExchange } from './establish.ts';
import { establishingOptions } from './establish-here.ts';
import { Exclusive } from './exclusive.ts';
import type { Serving } from './failover-parts.ts';
import { peerRefused, witnessNeeded } from './failover-errors.ts';
import { settingsChanged } from './failover-events.ts';
import { type FollowerStatus } from './follow-source.ts';
import { GivenWay } from './given-way.ts';
import { HistoryTaking } from './history-taking.ts';
import { KeyRenewal } from './key-renewal.ts';
import { PairOpening } from './pair-opening.ts';
import { PeerWord } from './peer-word.ts';
import { stateAnswerOf } from './state-answer.ts';
import { SyncNow } from './sync-now.ts';
import { sinkOf, sourceOf } from './follow-parts.ts';
import { PairAlarms } from './pair-alarms.ts';
import { PairDial } from './pair-dial.ts';
import { exposureOf, sideOf } from './pair-figures.ts';
import { PairKey } from './pair-key.ts';
import { PairLease } from './pair-lease.ts';
import type { PairParts } from './pair-parts.ts';
import { PairRecords } from './pair-records.ts';
import { PairRefusals } from './pair-refusals.ts';
import { PairRequests, type WorkKind } from './pair-requests.ts';
import { PeerWork } from './peer-work.ts';
import { PeerGate } from './peer-gate.ts';
import { PeerWatch, type PairTiming } from './peer-watch.ts';
import { PreSharedKey } from './pre-shared-key.ts';
import type { RehearsalAnswering } from './rehearsal/rehearsal-answering.ts';
import { RelaySettling } from './relay-settling.ts';
import { RoleChange } from './role-change.ts';
import { byPeer, Roles } from './roles.ts';
import type { SiteDatabase } from './site-database.ts';
import { ReplyGate } from './reply-gate.ts';
import { Snapshots } from './snapshots.ts';
import { EPOCH_LEAP_MAX, ownStatement, StatementSource } from './statements.ts';

/** A change of roles that is under way at an orderly end may finish within this; else the next start goes on with it. */
const CLOSE_LIMIT_MS = 1000;

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
  /** Tries this standby (B133). */
  rehearse(): Promise<void>;
  /** Tests of the standby with people and clients: what the other side asks, and the connections that it brings. */
  rehearsal: Pick<RehearsalAnswering, 'answer' | 'takeTunnel'>;
  /** Mail to whoever hears of alarms. */
  mail(alarm: { code: string; text: string }): void;
  /** Clients and sessions of this side, and what its relay says. */
  figures(): { clientsOnline: number; sessions: number };
  /** Whether base, through which everybody comes, is alive. Absent: it is. */
  isReached?(): boolean;
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
  readonly sync: SyncNow;
  readonly #opening: PairOpening;
  readonly historyTaking: HistoryTaking;
  readonly #conflicts: Conflicts;
  readonly #work: PeerWork;
  readonly keyRenewal: KeyRenewal;
  readonly copy: CopyProgress;
  readonly word: PeerWord;
  readonly settling = new RelaySettling({ copy: () => this.relayCopy, changed: () => this.#options.changed() });
  readonly #replies = new ReplyGate(
    () => this.parts,
    () => this.lease,
  );
  #isStarted = false;

  private constructor(options: PairOptions, key: PairKey) {
    const { config, store, database, serving, log, now } = options;
    this.#options = options;
    this.copy = new CopyProgress(this);
    this.word = new PeerWord(this);
    this.sync = new SyncNow(this);
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
      source: sourceOf(this),
      sink: sinkOf(this, dial),
      snapshots: new Snapshots(config.paths.pairWork, log),
      watch: new PeerWatch({
        dial,
        isPaired: () => records.peer !== undefined,
        heard: (state) =>
          void this.word.heard(state).catch((error: unknown) => log.warn({ err: error }, 'failover.peer-state-unusable')),
        changed: () => options.changed(),
        timing: options.timing,
        log,
        now,
      }),
      serving,
    };
    this.#change = new RoleChange(this.parts);
    this.#opening = new PairOpening(this, this.#change);
    this.lease = new PairLease({
      parts: this.parts,
      won: (won) => this.roles.becomePrimaryByLease(won),
      lost: () => this.word.leaseLost(),
      isReached: () => options.isReached?.() !== false,
      toFollower: (message) => this.parts.source.say(message),
      toSource: (message) => this.parts.sink.say(message),
    });
    this.givenWay = new GivenWay(this.parts);
    this.historyTaking = new HistoryTaking(this.parts);
    this.#conflicts = new Conflicts(this);
    this.#work = new PeerWork(this);
    this.keyRenewal = new KeyRenewal(this.parts);
    this.alarms = new PairAlarms({ pair: this, mail: options.mail, changed: options.changed });
    this.roles = new Roles({
      parts: this.parts,
      change: this.#change,
      exclusive: this.exclusive,
      lease: this.lease,
      exposure: () => this.exposure(),
      isInConflict: () => this.#conflicts.isApart,
      discardedOf: (side) => this.#conflicts.discardedOf(side),
      settling: this.settling,
      highestEpoch: () => this.#highestEpoch(),
      holdWriting: (isHeld) => this.holdWriting(isHeld),
      lastEntriesLimitMs: options.timing?.lastEntriesMs,
    });
    this.preSharedKey = new PreSharedKey({ store, keysDir: config.paths.keys, now });
    this.#refusals = new PairRefusals({ store, log, now });
    this.establishing = new Establishing(establishingOptions(this));
    const requests = new PairRequests({
      state: async () => stateAnswerOf(this),
      role: (order) => this.roles.answer(order),
      box: (question) => options.box(question),
      store: () => database.store,
      snapshots: this.parts.snapshots,
      archives: this.givenWay,
      keys: async () => this.keyRenewal.give(),
      work: (kind) => this.#work.begin(kind),
      rehearsal: (order) => options.rehearsal.answer(order),
      witness: ({ endpoint, code }) => this.lease.enrol(byPeer(records.peer?.name ?? ''), endpoint, code),
      trustsPeer: () => records.trustsPeer,
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
      onTunnel: (request, socket, head) => options.rehearsal.takeTunnel(request, socket, head),
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
    pair.keyRenewal.finish();
    pair.copy.assumeAcked();
    pair.#opening.noteRestored();
    await pair.establishing.resume();
    pair.lease.apply();
    await pair.#opening.whenLeaseIsClear();
    await pair.#opening.whenPeerWasAsked();
    return pair;
  }

  get role(): PairRole {
    return this.parts.records.self.role;
  }

  get copied(): { completedAtMs: number | null; comparedAtMs: number | null } {
    return this.copy.copied;
  }

  get sourceHead(): { seq: number; atMs: number } | undefined {
    return this.copy.sourceHead;
  }

  get options(): PairOptions {
    return this.#options;
  }

  start(): void {
    this.#isStarted = true;
    this.parts.watch.start();
    this.#opening.start();
    this.#change.resumeFollowing();
  }

  /** Store option: throws while this side must not write. */
  mayWrite(): void {
    this.#replies.mayWrite();
  }

  /** As `ReplyGate.holdWriting`. */
  holdWriting(isHeld: boolean): void {
    this.#replies.holdWriting(isHeld);
  }

  /** As `ReplyGate.overrule`. */
  overrule(isOverruled: boolean): void {
    this.#replies.overrule(isOverruled);
  }

  /** As `PairOpening.waits`. */
  get awaitsLease(): boolean {
    return this.#opening.waits;
  }

  /** As `PairOpening.opensAsFollower`. */
  get opensAsFollower(): boolean {
    return this.#opening.opensAsFollower;
  }

  /** As `PairOpening.databaseOpened`. */
  databaseOpened(): void {
    this.#opening.databaseOpened();
  }

  /** Whether nothing holds back writing just now. */
  get isWriting(): boolean {
    return this.#replies.isWriting;
  }

  /** What is left of the lease; null: none is needed. */
  get leaseLeftMs(): number | null {
    return this.lease.leftMs;
  }

  /** As `ReplyGate.beforeReply`. */
  async beforeReply(): Promise<void> {
    await this.#replies.beforeReply();
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

  /** As `SyncNow.compareNow`. */
  async compareNow(): Promise<boolean> {
    return await this.sync.compareNow();
  }

  /** As `SyncNow.syncNow`. */
  async syncNow(): Promise<void> {
    await this.sync.syncNow();
  }

  /** As `Serving.stop` and following: a backup that a person has fixed goes on. */
  resumeFollowing(): void {
    this.#change.resumeFollowing();
  }

  async close(): Promise<void> {
    const { watch, source, sink, dial, gate, snapshots } = this.parts;
    watch.close();
    this.#opening.close();
    this.alarms.close();
    await this.exclusive.idle(CLOSE_LIMIT_MS);
    this.lease.close();
    this.establishing.close();
    await sink.stop();
    this.copy.noteAcked(true);
    source.close();
    dial.close();
    gate.close();
    await this.#door.close();
    await this.historyTaking.settled();
    await this.keyRenewal.settled();
    await snapshots.close();
    this.#refusals.close();
    this.copy.noteFigures(true);
  }

  #highestEpoch(): number {
    const { records, database, watch, config } = this.parts;
    const said = watch.state === undefined ? 0 : (ownStatement(watch.state.statement)?.epoch ?? 0);
    const heard = said <= records.self.epoch + EPOCH_LEAP_MAX ? said : 0;
    return Math.max(records.self.epoch, database.store?.head().epoch ?? 0, heard, config.knownEpoch ?? 0);
  }
}
