import type { IncomingMessage, ServerResponse } from 'node:http';
import { notFound } from '@bascule/errors/app-error.ts';
import type { FleetSettings, Rollout, UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { UpgradeReport } from '@bascule/protocol/client-program.ts';
import { SYSTEM, type AuditEvent, type Context } from '@bascule/store/store.ts';
import type { ClientMessage, Hello } from '../jump/jump.ts';
import { Downloads } from './downloads.ts';
import { FleetClients, fitsOrder } from './fleet-clients.ts';
import * as events from './fleet-events.ts';
import { deleteEntry } from './fleet-store.ts';
import { limitsOf, type FleetOptions, type FleetView } from './fleet-options.ts';
import { FleetOrders } from './fleet-orders.ts';
import { haltText, rolloutPicture, settledAnswer, type FleetAnswer, type PictureParts } from './fleet-picture.ts';
import { FleetSettingsStore } from './fleet-settings.ts';
import { QueueCore } from './queue-core.ts';
import type { Halt, QueueEffect, ReportAnswer } from './queue-types.ts';
import { RolloutFigures } from './rollout-figures.ts';
import { RolloutRecord } from './rollout-record.ts';
import { Uninstalls } from './uninstalls.ts';

export { fleetMigrations } from './fleet-migrations.ts';
export type { FleetAnswer } from './fleet-picture.ts';
export type { FleetMail, FleetOptions, FleetView, OrderContents, OrderProblem, UpgradePrograms } from './fleet-options.ts';

/** How often the queue looks at what is due. */
export const TICK_MS = 250;
/** Jump Items that changed are read again this often, at most so many at once. */
const REREAD_INTERVAL_MS = 1000;
const REREAD_BATCH = 500;
/** While it runs, the chart and the bytes sent are written this often. */
const SAVE_INTERVAL_MS = 60_000;

/** The upgrade queue of client programs (B28-B31, B100-B113): the decisions of `QueueCore` around rows, links and timers. `start` when everything else is ready. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #now: () => number;
  readonly #settings: FleetSettingsStore;
  readonly #record: RolloutRecord;
  readonly #core: QueueCore;
  readonly #clients: FleetClients;
  readonly #orders: FleetOrders;
  readonly #figures: RolloutFigures;
  readonly #downloads: Downloads;
  readonly #uninstalls: Uninstalls;
  #isCommitted: boolean;
  #isLoaded = false;
  #loading: Promise<void> = Promise.resolve();
  readonly #startedAtMs: number;
  #timer: NodeJS.Timeout | undefined;
  #savedAtMs: number;
  #rereadAtMs = 0;
  #itemsRevision: number;
  /** Effects are worked off one after the other, also those that come up meanwhile. */
  #isDraining = false;
  /** Items whose rows are to be read again. */
  readonly #stale = new Set<string>();

  constructor(options: FleetOptions) {
    const { store, jump, programs, log, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#startedAtMs = now();
    this.#isCommitted = options.isCommitted;
    this.#settings = new FleetSettingsStore(store);
    this.#record = RolloutRecord.open(store, programs.current, this.#settings.current(), now());
    const { rings, halt, row } = this.#record;
    this.#core = new QueueCore({
      limits: limitsOf(this.#settings.current()),
      rings,
      startedAtMs: row.startedAtMs,
      endedAtMs: row.endedAtMs,
      isPaused: row.isPaused === 1,
      halt,
    });
    this.#figures = new RolloutFigures(row, now());
    this.#savedAtMs = now();
    this.#clients = new FleetClients({ reader: store, programs, core: this.#core, rollout: row.id });
    this.#orders = new FleetOrders({
      store,
      core: this.#core,
      clients: this.#clients,
      programs,
      rollout: row.id,
      healthSeconds: () => this.settings().healthSeconds,
      send: (id, message) => jump.sendToClient(id, message),
      noSignedPrograms: () => this.#core.haltWith('no-signed-programs', 0, now()),
      decided: () => this.#drain(),
      log,
      now,
    });
    this.#downloads = new Downloads({
      mayFetch: (id, sha256) => this.#mayFetch(id, sha256),
      isReady: () => this.#isLoaded,
      file: (sha256) => programs.parcelFile(sha256),
      bytesPerSecond: this.settings().maxBytesPerSecond,
      sent: (bytes) => this.#figures.sent(bytes),
      progress: (id) => this.#core.progress(id, now()),
      log,
    });
    this.#uninstalls = new Uninstalls({ store, jump, now, log });
    jump.setClientRules(this.settings());
    this.#itemsRevision = jump.changedItems(undefined).revision;
    this.#listen();
  }

  /** Reads all clients, in turns, and begins to work. */
  start(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
    this.#loading = this.#clients.load(this.#now).then(
      () => {
        this.#isLoaded = true;
        const { jump } = this.#options;
        jump.showUpgrades((row) => ({ upgrade: this.stateOf(row.id), upgradePlace: this.placeOf(row.id) }));
        this.#open();
      },
      (error: unknown) => this.#options.log.error({ err: error }, 'fleet.clients-not-loaded'),
    );
  }

  /** Writes what is behind. Orders under way go on: the rows say so to the next program. */
  close(): void {
    clearInterval(this.#timer);
    this.#clients.close();
    this.#downloads.close();
    try {
      this.#orders.flush();
      if (this.#core.startedAtMs !== null && this.#core.endedAtMs === null) this.#record.save(this.#core, this.#figures);
    } catch (error) {
      this.#options.log.error({ err: error }, 'fleet.not-saved');
    }
  }

  settings(): FleetSettings {
    return this.#settings.current();
  }

  /** Changes the settings; `upgrades` switches the rollout of the version in force too. */
  changeSettings(context: Context, after: FleetSettings): FleetSettings {
    const before = this.settings();
    const changed = this.#settings.change(context, after);
    if (before.upgrades !== after.upgrades) {
      this.#record.setOn(after.upgrades !== 'off');
      this.#record.save(this.#core, this.#figures, undefined, context);
    }
    this.#core.setLimits(limitsOf(after), this.#now());
    this.#downloads.setLimit(after.maxBytesPerSecond);
    this.#options.jump.setClientRules(after);
    this.#open();
    return changed;
  }

  /** The site's watch period is over: client programs may be upgraded. */
  committed(): void {
    this.#isCommitted = true;
    this.#open();
  }

  stateOf(clientId: string): UpgradeState {
    return this.#core.entries.get(clientId)?.state ?? 'current';
  }

  /** Its place in the queue from 1; null when it does not wait. */
  placeOf(clientId: string): number | null {
    return this.#core.entries.places().get(clientId) ?? null;
  }

  /** Somebody jumps to the client: one that is older is moved to the front (B110). Where `jumpToOlder` keeps people off it, its place is answered (null: it does not wait just now). */
  holdBack(context: Context, clientId: string): { place: number | null } | undefined {
    const state = this.stateOf(clientId);
    if (state === 'current' || state === 'ahead') return undefined;
    this.toFront(context, clientId);
    return this.settings().jumpToOlder === 'current-only' ? { place: this.placeOf(clientId) } : undefined;
  }

  /** B110. Throws NOT_FOUND for a client that there is not. */
  toFront(context: Context, clientId: string): void {
    const name = this.#nameOf(clientId);
    const entry = this.#core.entries.get(clientId)!;
    if (entry.standing !== 'behind' || entry.front > 0 || entry.phase !== 'none') return;
    this.#options.store.transact(context, events.movedToFront({ client: clientId, name }), () => undefined);
    this.#core.toFront(clientId, this.#now());
    this.#tick();
  }

  /** Tries again with a client that failed. Throws NOT_FOUND. */
  retry(context: Context, clientId: string): void {
    const name = this.#nameOf(clientId);
    if (!this.#core.retry(clientId, this.#now())) return;
    this.#options.store.transact(context, events.triedAgain({ client: clientId, name }), () => undefined);
    this.#tick();
  }

  pause(context: Context): Rollout {
    const { version } = this.#record.row;
    if (!this.#core.isPaused) this.#act(context, events.rolloutPaused({ version }), () => this.#core.pause(this.#now()));
    return this.picture();
  }

  /** After a pause or a halt. */
  resume(context: Context, retryFailed: boolean): Rollout {
    const { version } = this.#record.row;
    this.#act(context, events.rolloutResumed({ version, retryFailed }), () => this.#core.resume(retryFailed, this.#now()), true);
    return this.picture();
  }

  /** Switched off in the settings: on for this version. */
  startCycle(context: Context): Rollout {
    if (!this.#record.isOn) {
      this.#record.setOn(true);
      this.#act(context, events.rolloutStarted({ version: this.#record.row.version }), () => this.#open());
    }
    return this.picture();
  }

  picture(): Rollout {
    return rolloutPicture(this.#parts());
  }

  /** For the planner of base (B82-B89): how far the clients seen in the last 30 days are. */
  async settled(): Promise<FleetAnswer> {
    await this.#loading;
    return settledAnswer(this.#parts());
  }

  /** What lists, exports and the proof are made of. */
  get view(): FleetView {
    return {
      clients: this.#clients,
      core: this.#core,
      version: this.#record.row,
      settings: this.settings(),
      isOnline: (id) => this.#options.jump.isOnline(id),
    };
  }

  get uninstalls(): Uninstalls {
    return this.#uninstalls;
  }

  #parts(): PictureParts {
    return {
      core: this.#core,
      clients: this.#clients,
      figures: this.#figures,
      settings: this.settings(),
      row: this.#record.row,
      isCommitted: this.#isCommitted,
      isOn: this.#record.isOn,
      bytesPerClient: this.#orders.bytesPerClient,
      programStartedAtMs: this.#startedAtMs,
      nowMs: this.#now(),
    };
  }

  #nameOf(clientId: string): string {
    const member = this.#clients.ensure(clientId, this.#now());
    if (member === undefined) throw notFound();
    return member.name;
  }

  /** An administrative act: decided, written down with its event, carried out. */
  #act(context: Context, event: AuditEvent, decide: () => void, forgives = false): void {
    decide();
    this.#record.save(this.#core, this.#figures, event, context, forgives);
    this.#tick();
    this.#options.publish();
  }

  #listen(): void {
    const { jump, sessions, programs } = this.#options;
    jump.onClientHello((id, hello) => this.#hello(id, hello));
    jump.onClientLink((id, isConnected) => {
      if (isConnected) return;
      const member = this.#clients.get(id);
      if (member !== undefined) member.lastSeenAtMs = this.#now();
      this.#downloads.stop(id);
      this.#core.offline(id, this.#now());
      this.#drain();
    });
    jump.onClientMessage((id, message) => this.#message(id, message));
    jump.serveRequests((id, request: IncomingMessage, response: ServerResponse) => this.#downloads.serve(id, request, response));
    jump.keepCheckIn((id) => this.#hasWorkFor(id));
    sessions.onClientSessions((id, count) => {
      this.#core.session(id, count > 0, this.#now());
      this.#drain();
    });
    programs.onChange(() => void this.#programsChanged());
  }

  #hello(id: string, hello: Hello): void {
    const nowMs = this.#now();
    const member = this.#clients.ensure(id, nowMs);
    if (member === undefined) return;
    const client = this.#clients.heard(member, hello.software, hello.software?.version ?? hello.facts.version);
    const answer = this.#core.hello(
      client,
      {
        report: hello.upgrade,
        fits: fitsOrder(hello.software, this.#core.entries.get(id)),
        onTrial: hello.software?.trial === true,
        inSession: this.#options.sessions.isOnClient(id),
      },
      nowMs,
    );
    this.#answer(id, hello.upgrade, answer);
    this.#uninstalls.connected(id);
    this.#drain();
  }

  #message(id: string, message: ClientMessage): void {
    if (message.kind === 'uninstalling') return this.#uninstalls.answered(id, message.failed);
    if (message.kind !== 'upgrade-status') return;
    const entry = this.#core.entries.get(id);
    const member = this.#clients.get(id);
    // Whatever came after the trial is the program that stays.
    const fits = fitsOrder(member?.software, entry);
    const isDone = message.state === 'done' && fits && member?.software !== undefined;
    if (isDone) member.software = { ...member.software!, trial: false };
    const standing = this.#clients.standing(member?.software, member?.version ?? '', isDone ? undefined : entry);
    this.#answer(id, message, this.#core.report(id, message, { fits, standing }, this.#now()));
    this.#drain();
  }

  #answer(id: string, report: UpgradeReport | undefined, answer: ReportAnswer): void {
    if (report === undefined) return;
    if (answer === 'cancel') this.#options.jump.sendToClient(id, { kind: 'upgrade-cancel', order: report.order });
    if (answer === 'noted') this.#orders.note(id, report.order);
  }

  /** A passive client stays while it has a place in the queue that opens by itself, or an order, or is to remove itself. */
  #hasWorkFor(id: string): boolean {
    if (this.#uninstalls.has(id)) return true;
    const entry = this.#core.entries.get(id);
    if (entry === undefined || entry.phase !== 'none') return entry !== undefined;
    return this.#core.isRunning && this.#core.mayBegin(entry);
  }

  /** Its link may be away: after a restart of the site, the download may be back before it. */
  #mayFetch(id: string, sha256: string): boolean {
    const entry = this.#core.entries.get(id);
    return entry?.phase === 'downloading' && entry.order?.parcels.includes(sha256) === true;
  }

  #open(): void {
    this.#core.setOpen(this.#isLoaded && this.#isCommitted && this.#record.isOn, this.#now());
    this.#tick();
    this.#options.publish();
  }

  #tick(): void {
    const nowMs = this.#now();
    if (this.#isLoaded) this.#reread(nowMs);
    this.#core.tick(nowMs);
    this.#drain();
    this.#orders.flush();
    const counts = this.#core.entries.total();
    const isUnderWay = this.#core.isRunning && this.#core.endedAtMs === null;
    this.#figures.tick(nowMs, { current: counts.current, failed: counts.failed + counts.rolledBack }, isUnderWay);
    // Bytes and rates move without an event of the queue.
    if (this.#downloads.size > 0) this.#options.publish();
    if (isUnderWay && nowMs - this.#savedAtMs >= SAVE_INTERVAL_MS) this.#save();
  }

  /** Items that somebody changed: their group, their name, their approval. */
  #reread(nowMs: number): void {
    if (nowMs - this.#rereadAtMs < REREAD_INTERVAL_MS) return;
    this.#rereadAtMs = nowMs;
    const { revision, ids } = this.#options.jump.changedItems(this.#itemsRevision);
    this.#itemsRevision = revision;
    for (const id of ids ?? [...this.#clients.all()].map((member) => member.id)) this.#stale.add(id);
    const gone: string[] = [];
    let left = REREAD_BATCH;
    for (const id of this.#stale) {
      if (left === 0) break;
      left -= 1;
      this.#stale.delete(id);
      if (!this.#clients.reread(id, nowMs)) gone.push(id);
    }
    if (gone.length > 0) this.#forget(gone);
  }

  /** Clients that were deleted leave nothing here. */
  #forget(ids: readonly string[]): void {
    const { store, log } = this.#options;
    try {
      store.transact(SYSTEM, events.clientsForgotten({ clients: ids.length }), (tx) => {
        for (const id of ids) deleteEntry(tx, id);
      });
    } catch (error) {
      // Rows of a client that there is not are never read.
      log.error({ err: error }, 'fleet.clients-not-forgotten');
    }
  }

  /** The metadata was renewed, or programs came: what could not be signed or served before may be now. */
  async #programsChanged(): Promise<void> {
    await this.#clients.judgeAll(this.#now);
    if (this.#core.halt?.code === 'no-signed-programs') this.#core.resume(false, this.#now());
    this.#tick();
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const begin: string[] = [];
    let isShown = false;
    for (let effects = this.#core.take(); effects.length > 0; effects = this.#core.take())
      for (const effect of effects) {
        if (effect.kind === 'begin') begin.push(effect.client);
        else this.#carryOut(effect);
        isShown = true;
      }
    this.#isDraining = false;
    if (begin.length > 0) void this.#orders.begin(begin);
    if (isShown) this.#options.publish();
  }

  #carryOut(effect: Exclude<QueueEffect, { kind: 'begin' }>): void {
    const { jump } = this.#options;
    switch (effect.kind) {
      case 'changed':
        return jump.noteUpgrade(effect.client);
      case 'save':
        return this.#orders.save(effect.client);
      case 'resend':
        return void this.#orders.resend(effect.client);
      case 'cancel':
        this.#downloads.stop(effect.client);
        return void jump.sendToClient(effect.client, { kind: 'upgrade-cancel', order: effect.order });
      case 'upgraded':
        this.#figures.upgraded();
        return this.#orders.upgraded();
      case 'failed':
        return this.#orders.failed(effect.client);
      case 'halted':
        return this.#halted(effect.halt);
      case 'ring-opened':
      case 'ring-done':
        return this.#save();
      case 'ended':
        return this.#ended();
    }
  }

  #halted(halt: Halt): void {
    const { version } = this.#record.row;
    const ring = this.settings().rings[halt.ring]?.name ?? '';
    this.#save(events.rolloutHalted({ ...halt, version, ring, text: haltText(halt) }));
    if (halt.code === 'failures' || halt.code === 'silence')
      this.#options.mail.tell({
        kind: 'clients-halted',
        version,
        ring,
        bad: halt.bad,
        begun: halt.begun,
        page: this.#options.page(),
      });
  }

  #ended(): void {
    const { version } = this.#record.row;
    const counts = this.#core.entries.total();
    const { current, absent } = counts;
    const failed = counts.failed + counts.rolledBack;
    this.#figures.point(this.#now(), { current, failed });
    this.#save(events.rolloutEnded({ version, current, absent, failed }));
    // A version with which nobody was upgraded (a first start) is no news.
    if (this.#core.rings.some((ring) => ring.hasBegun))
      this.#options.mail.tell({ kind: 'clients-upgraded', version, current, absent, failed, page: this.#options.page() });
  }

  #save(event?: AuditEvent): void {
    this.#savedAtMs = this.#now();
    try {
      this.#record.save(this.#core, this.#figures, event, SYSTEM);
    } catch (error) {
      this.#options.log.error({ err: error }, 'fleet.rollout-not-saved');
    }
  }
}
