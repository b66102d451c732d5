/**
 * The failover pair (architecture 8): which role this appliance has, who follows whom, and who may write. Opened before anything of the site, it owns site.db through all roles;
 * what is served follows from the role (docs/decisions/0199).
 */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import type { AppError } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { MovedTo } from '@bascule/protocol/api/move.ts';
import type { ApplianceHeader, FailoverState, PairRole, PairSettings } from '@bascule/protocol/api/failover.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { PairOrder, ToSite } from '@bascule/protocol/base-site.ts';
import type { Store } from '@bascule/store/store.ts';
import type { RelayPair } from '../access-session/access-session.ts';
import { siteUrl, type SiteConfig } from '../config/config.ts';
import type { VaultBackup } from '../vault/vault.ts';
import { BasePulse } from './base-pulse.ts';
import { BoxTalk } from './box-talk.ts';
import { BaseCertificate } from './establish-certificate.ts';
import { changeAtPrimary, noPair } from './failover-errors.ts';
import type { FailoverOptions, ServedParts, Serving, StoreHooks } from './failover-parts.ts';
import { failoverRoutes } from './failover-routes.ts';
import { failoverStateOf } from './failover-state.ts';
import { primaryUrlOf } from './pair-figures.ts';
import { Lineage } from './lineage.ts';
import { PairOrders, type PairDone } from './pair-orders.ts';
import { DEFAULT_PAIR_SETTINGS, hasPairStore, openPairStore, readValue } from './pair-store.ts';
import { Pair } from './pair.ts';
import { pairStateMessage } from './pair-state-message.ts';
import { Rehearsal } from './rehearsal/rehearsal.ts';
import { RehearsalAnswering } from './rehearsal/rehearsal-answering.ts';
import { RehearsalGuide } from './rehearsal/rehearsal-guide.ts';
import { relayOrder } from './relay-order.ts';
import { SiteDatabase } from './site-database.ts';
import { vaultBackupOf } from './vault-backup.ts';

/** base hears of the role on each change, and this often as a sign of life: it holds the shared addresses by it, and answers with a question. */
const TELL_INTERVAL_MS = 500;
/** An orderly stop takes no longer for the witness: it is limited as a whole. */
const RESTART_LEASE_WAIT_MS = 800;
/** The change log is cut back to its limits this often. */
const TRIM_INTERVAL_MS = 60 * 60_000;

export type { ServedParts, Serving } from './failover-parts.ts';
export type { ShownLine, SiteLine } from './lineage.ts';
export { beginHistory, epochOf, pairOf } from './restored-history.ts';
export type { PairTiming } from './peer-watch.ts';
export type { RehearsalTiming } from './rehearsal/rehearsal-guide-run.ts';

/** In mail about alarms. */
export const PAIR_ADVICE = 'Look at Management > Failover of both appliances.';

const NOBODY = { clientsOnline: 0, sessions: 0 };

export class Failover {
  readonly #options: FailoverOptions;
  readonly #database: SiteDatabase;
  readonly #now: () => number;
  readonly #box: BoxTalk;
  readonly #certificate: BaseCertificate;
  readonly #orders: PairOrders;
  readonly #basePulse = new BasePulse();
  readonly rehearsal: Rehearsal;
  /** Tests of the standby with people and clients, as the primary leads them. */
  readonly guide: RehearsalGuide;
  readonly #rehearsals: RehearsalAnswering;
  /** What clients bear of a restore, and show. */
  readonly lineage: Lineage;
  #pairStore: Store | undefined;
  #pair: Pair | undefined;
  #opening: Promise<Pair> | undefined;
  #serving: Serving | undefined;
  #served: ServedParts | undefined;
  #timer: NodeJS.Timeout | undefined;
  #trimTimer: NodeJS.Timeout | undefined;
  #isStarted = false;
  #lastTold = '';
  #lastOrder = '';
  #lastAddresses = '';
  /** What the relay is told of the pair, and says of its copies (access-session/session-keeper.ts). */
  readonly relay: RelayPair = {
    order: () => relayOrder(this.#pair),
    heard: (copy) => {
      if (this.#pair !== undefined) this.#pair.relayCopy = copy;
    },
  };

  private constructor(options: FailoverOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#box = new BoxTalk(options.tell);
    this.rehearsal = new Rehearsal({
      pair: () => this.#pairNeeded(),
      changed: () => this.#changed(),
      ended: (reason) => this.#pair?.alarms.rehearsed(reason),
      log: options.log,
      watchLimitMs: options.rehearsalTiming?.watchLimitMs,
    });
    const { config } = options;
    this.lineage = new Lineage({
      pair: () => this.#pair,
      open: () => this.pair(),
      store: () => this.#database.store,
      log: options.log,
    });
    this.guide = new RehearsalGuide({
      pair: () => this.#pair,
      site: () => this.#served?.rehearsal,
      names: () => config,
      changed: () => this.#changed(),
      log: options.log,
      now: this.#now,
      timing: options.rehearsalTiming,
    });
    this.#rehearsals = new RehearsalAnswering(this.rehearsal, this.guide, options.log);
    this.#certificate = new BaseCertificate({
      tell: options.tell,
      host: () => config.publicHost,
      known: () => [config.publicHost, ...config.hosts],
    });
    this.#orders = new PairOrders({
      pair: () => this.pair(),
      state: () => this.state(),
      rehearse: () => this.#rehearse(),
      keysDir: options.config.paths.keys,
    });
    this.#database = new SiteDatabase({
      path: options.config.paths.database,
      open: (follower, isChecked) => options.openStore(follower, { ...this.storeOptions(), ...(isChecked && { checked: true }) }),
    });
  }

  /** Opens what this appliance knows of its pair, and site.db as its role has it. Throws as `Store.open`. */
  static async open(options: FailoverOptions): Promise<Failover> {
    const failover = new Failover(options);
    try {
      // A site that never had a pair opens nothing more, and starts as quickly as ever.
      if (hasPairStore(options.config.paths.pairDatabase)) await failover.pair();
      failover.#openDatabase();
      return failover;
    } catch (error) {
      await failover.close();
      throw error;
    }
  }

  get role(): PairRole {
    return this.#pair?.role ?? 'single';
  }

  /** Whether people and clients are served here. */
  get serves(): boolean {
    return this.#pair === undefined || (this.#pair.parts.records.serves && !this.#pair.awaitsLease);
  }

  /** site.db; undefined on a backup without a copy. */
  get store(): Store | undefined {
    return this.#database.store;
  }

  /** pair.db, opened or made at the first need. */
  get pairStore(): Store {
    const { config, log } = this.#options;
    this.#pairStore ??= openPairStore({
      path: config.paths.pairDatabase,
      appliance: config.applianceName,
      log,
      now: this.#now,
    });
    return this.#pairStore;
  }

  /** What `Store.open` of site.db takes besides. */
  storeOptions(): StoreHooks {
    return {
      onCommitted: (seq, waitsForPeer) => this.#pair?.parts.gate.onCommitted(seq, waitsForPeer),
      holdEffects: (seq, waitsForPeer, run) => {
        if (this.#pair === undefined) run();
        else this.#pair.parts.gate.holdEffects(seq, waitsForPeer, run);
      },
      mayWrite: () => {
        if (this.lineage.isSuperseded) throw this.changeRefused();
        this.#pair?.mayWrite();
      },
    };
  }

  /** Where the site was moved to, when this is its signpost. */
  get moved(): MovedTo | undefined {
    return this.serves ? undefined : readValue(this.pairStore, 'moved');
  }

  /** For the HTTP server: resolves when a reply to a change may be given. Rejects when this side may not answer any more. */

  async beforeReply(): Promise<void> {
    await this.#pair?.beforeReply();
  }

  settings(): PairSettings {
    return this.#pair?.parts.records.settings ?? DEFAULT_PAIR_SETTINGS;
  }

  /** What a change at a backup is answered with: where it can be made. */
  changeRefused(): AppError {
    return changeAtPrimary(this.header().primaryUrl);
  }

  /** Who serves from now on. */
  serveWith(serving: Serving): void {
    this.#serving = serving;
  }

  /** Who is served hears of the pair until the returned function is called. */
  connect(served: ServedParts): () => void {
    this.#served = served;
    return () => {
      if (this.#served === served) this.#served = undefined;
    };
  }

  /** A connection of the peer (ALPN `bascule-pair/1`), unopened. An appliance that nobody prepared for a pair has no use for it. */
  acceptLink(socket: Socket, head: Uint8Array): void {
    if (this.#pair === undefined) socket.destroy();
    else this.#pair.acceptLink(socket, head);
  }

  /** Where clients reach the site: the shared name, then each appliance. */
  clientAddresses(): { host: string; port: number }[] {
    const { publicHost, publicPort } = this.#options.config;
    const peer = this.#pair?.parts.records.peer;
    const own = peer === undefined ? [] : [peer.ownEndpoint, peer.endpoint];
    const all = [{ host: publicHost, port: publicPort }, ...own];
    return all.filter((one, index) => all.findIndex(({ host, port }) => host === one.host && port === one.port) === index);
  }

  /** For a rotation of the vault key, which never outruns the backup: what the backup of this side has of the vault keys and of the change log. */
  vaultBackup(): VaultBackup {
    return vaultBackupOf(this.#pair);
  }

  /** This appliance's own page about the pair, for mail. */
  pageUrl(): string {
    return `${siteUrl(this.#pair === undefined ? this.#options.config : ownAddress(this.#pair))}/login/management/failover`;
  }

  /** The routes of protocol/api/failover.ts, the same at site and standby. */
  routes(): AnyRoute[] {
    return failoverRoutes(this);
  }

  header(): ApplianceHeader {
    const { applianceName } = this.#options.config;
    const pair = this.#pair;
    if (pair === undefined) return { appliance: applianceName, role: 'single', peer: null, primaryUrl: null, alarms: [] };
    const { records, watch } = pair.parts;
    const { peer } = records;
    const { moved } = this;
    return {
      appliance: applianceName,
      role: pair.role,
      peer: peer?.state === 'active' ? { name: peer.name, state: watch.isReachable ? 'reachable' : 'unreachable' } : null,
      primaryUrl: moved?.url ?? primaryUrlOf(pair),
      ...(moved !== undefined && { movedTo: moved.appliance }),
      alarms: pair.alarms.codes,
      backupOperations: records.settings.backupOperations,
    };
  }

  /** An order of an upgrade plan; the same `plan` and `step` is the same order. Never throws. */
  async order(plan: string, step: number, order: PairOrder): Promise<PairDone> {
    return await this.#orders.give(plan, step, order);
  }

  /** Carries a question of our base to the base of the peer. Never throws. */
  async askPeer(question: BoxQuestion): Promise<BoxAnswer> {
    return await this.#box.askPeer(this.#pair, question);
  }

  /** base asked how this program is. */
  baseAsked(): void {
    this.#basePulse.heard();
  }

  /** What our base says of the web certificate. */
  certificateAnswered(answer: Extract<ToSite, { kind: 'certificate' }>): void {
    this.#certificate.heard(answer);
  }

  /** What our base says to a question of the peer's base. */
  boxAnswered(nonce: number, answer: BoxAnswer): void {
    this.#box.answered(nonce, answer);
  }

  /** GET `/api/failover`. */
  async state(): Promise<FailoverState> {
    const pair = await this.pair();
    return failoverStateOf(this, pair, await pair.conflict());
  }

  /** The pair of this appliance, with what it needs made now if it was never needed before. */
  pair(): Promise<Pair> {
    this.#opening ??= this.#openPair();
    return this.#opening;
  }

  /** The pair, if it is open. */
  get openedPair(): Pair | undefined {
    return this.#pair;
  }

  get served(): ServedParts | undefined {
    return this.#served;
  }

  get config(): SiteConfig {
    return this.#options.config;
  }

  get log(): Log {
    return this.#options.log;
  }

  now(): number {
    return this.#now();
  }

  /** Begins to talk with the peer, and to tell base. */
  start(): void {
    this.#isStarted = true;
    this.#pair?.start();
    if (this.#pair !== undefined) this.rehearsal.resume();
    this.guide.start();
    this.#timer = setInterval(() => this.#tell(true), TELL_INTERVAL_MS).unref();
    this.#trimTimer = setInterval(() => void this.#trimLog(), TRIM_INTERVAL_MS).unref();
    this.#tell(true);
  }

  /** Before an orderly restart: with automatic failover the lease is to outlast it, so that nobody takes over meanwhile. */
  async prepareRestart(): Promise<void> {
    const lease = this.#pair?.lease;
    if (lease === undefined) return;
    await Promise.race([lease.prepareRestart(), delay(RESTART_LEASE_WAIT_MS, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#trimTimer);
    this.#isStarted = false;
    this.guide.close();
    await this.rehearsal.close();
    await this.#pair?.close();
    this.#database.close();
    this.#pairStore?.close();
  }

  /** At the standby, whichever side that is. */
  async #rehearse(): Promise<void> {
    if (this.serves) await (await this.pair()).askPeerTo('rehearse');
    else await this.rehearsal.run();
  }

  #pairNeeded(): Pair {
    if (this.#pair === undefined) throw noPair();
    return this.#pair;
  }

  /** Old entries of the change log go; what the peer lacks is kept for it longer. */
  async #trimLog(): Promise<void> {
    const { store } = this.#database;
    const pair = this.#pair;
    const isAlone = pair?.parts.records.peer === undefined;
    const acked = pair?.parts.gate.ackedSeq ?? 0;
    try {
      // Nobody follows pair.db; a standby keeps of site.db what everybody keeps.
      await this.#pairStore?.trimLog(Number.MAX_SAFE_INTEGER);
      if (store !== undefined) await store.trimLog(isAlone || !this.serves ? store.head().seq + 1 : acked + 1);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'failover.log-not-trimmed');
    }
  }

  #openDatabase(): void {
    this.#database.openAs(this.#pair?.opensAsFollower ?? false);
    this.#pair?.databaseOpened();
  }

  async #openPair(): Promise<Pair> {
    const { config, log, knownMigrations } = this.#options;
    const pair = await Pair.open({
      config,
      store: this.pairStore,
      database: this.#database,
      serving: {
        // A test of this standby ends before its role does.
        stop: async () => void (await Promise.all([this.rehearsal.cut(), this.#serving?.stop()])),
        start: async () => {
          await this.#serving?.start();
          this.#changed();
        },
      },
      knownMigrations,
      certificate: this.#certificate,
      changed: () => this.#changed(),
      applied: (tables) => this.#served?.applied?.(tables),
      box: (question) => this.#box.peerAsks(this.#pair?.parts.records.peer?.name ?? '', question),
      mail: ({ text }) => this.#served?.mail?.(`${config.applianceName}: ${text}`),
      rehearse: () => this.rehearsal.run(),
      rehearsal: this.#rehearsals,
      figures: () => this.#served?.figures?.() ?? NOBODY,
      isReached: () => this.#basePulse.isAlive,
      log,
      now: this.#now,
      timing: this.#options.timing,
    });
    this.#pair = pair;
    if (this.#isStarted) pair.start();
    return pair;
  }

  #changed(): void {
    this.rehearsal.pairChanged();
    this.guide.look();
    this.#served?.changed();
    this.#tellRelay();
    this.#tellClients();
    this.#tell(false);
  }

  #tellRelay(): void {
    const order = JSON.stringify(this.relay.order());
    if (order === this.#lastOrder) return;
    this.#lastOrder = order;
    this.#served?.relayOrder();
  }

  #tellClients(): void {
    const addresses = JSON.stringify(this.clientAddresses());
    if (addresses === this.#lastAddresses) return;
    this.#lastAddresses = addresses;
    this.#served?.addressesChanged?.();
  }

  /** On change, and as a sign of life. */
  #tell(isSignOfLife: boolean): void {
    if (!this.#isStarted) return;
    const message = pairStateMessage(this.#pair, this.#database.store);
    const text = JSON.stringify(message);
    if (!isSignOfLife && text === this.#lastTold) return;
    this.#lastTold = text;
    this.#options.tell({ ...message, atBootMs: bootClockMs() });
  }
}

/** The appliance itself, not the shared name, which may be the other one by the time the mail is read. */
function ownAddress(pair: Pair): { publicHost: string; publicPort: number } {
  const { peer } = pair.parts.records;
  const { config } = pair.parts;
  if (peer === undefined) return config;
  return { publicHost: peer.ownEndpoint.host, publicPort: peer.ownEndpoint.port };
}
