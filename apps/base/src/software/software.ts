import { isDeepStrictEqual } from 'node:util';
import { EventEmitter } from 'node:events';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { MailEvent } from '@bascule/mail/mail-texts.ts';
import type { ClockState, Offer, PathStep, PreflightLine, UpdatesState } from '@bascule/protocol/api/updates.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import { SYSTEM, type Context, type Migration, type Store } from '@bascule/store/store.ts';
import type { BootDoor, InstallationEngine, InstallationMail } from './engine-contract.ts';
import { Engine } from './engine.ts';
import type { InstallerHost } from './installer-host.ts';
import { engineMigrations } from './journal-migrations.ts';
import { preflight } from './preflight.ts';
import { Slots } from './slots.ts';
import { ClientSupplies } from './client-supplies.ts';
import { FleetConditions } from './fleet-condition.ts';
import { controlVerbs, type ControlVerbs } from './software-control.ts';
import { nextPackages, takePlanSnapshot, type NextPackage } from './next-packages.ts';
import { softwareRoutes } from './software-routes.ts';
import { chooseUnattended, UNATTENDED_LOOK_MS } from './unattended.ts';
import { updatesMigrations } from './updates-migrations.ts';
import type { SoftwareHere } from './updates-offers.ts';
import { Updates } from './updates.ts';

export { readFaultPoint, type FaultPoint } from './fault-points.ts';
export { JournalLog } from './journal-log.ts';
export { UPLOAD_CHUNK_MAX_BYTES, Uploads } from './uploads.ts';

/** Versions 50 to 59 of box.db. */
export const softwareMigrations: Migration[] = [...engineMigrations, ...updatesMigrations];

/** States of offers above what is installed. */
const NEWER: readonly Offer['state'][] = ['installable', 'blocked'];
/** Installations that are looked through before something is installed unattended. */
const HISTORY_LOOKED_AT = 50;
const BY_PACKAGE: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'the package bascule-appliance' } };
const UNATTENDED: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'unattended installation' } };

export interface SoftwareOptions {
  store: Store;
  paths: ReturnType<typeof homePaths>;
  applianceName: string;
  host: InstallerHost & { processes(): ProcessState[] };
  boot: BootDoor;
  clock: { now(): number; state(): ClockState };
  mailer: { tell(event: MailEvent): void };
  certificateNotAfterMs(): number;
  /** When the web certificate was last exported with its key (B41); null: never. */
  certificateExportedAtMs?(): number | null;
  /** The version folder from which this very process runs; undefined from a checkout. */
  baseFolder: string | undefined;
  /** The seed of the operating system's package, whose packages are offered; undefined when there is none. */
  seed: string | undefined;
  /** Where the front door is reached from this machine: `https://127.0.0.1:8443`. */
  ownUrl: string;
  /** The address of the appliance for people, without a path. */
  publicUrl: string;
  /** All programs of the appliance. */
  processes(): ProcessState[];
  /** Ends this process in order, for boot to start the version that the pointer names. */
  restartBase(): void;
  log: Log;
}

/** Everything about packages: what there is, what is installed, and installing it. What the rest of base sees of the domain. */
export class Software extends EventEmitter<{ change: [] }> {
  readonly engine: InstallationEngine;
  readonly updates: Updates;
  readonly #options: SoftwareOptions;
  readonly #slots: Slots;
  readonly #supplies: ClientSupplies;
  readonly #fleet: FleetConditions;
  #toldLicences: ToldLicence[] = [];
  #wasCommitted = true;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  /** An upgrade plan is under way: it alone says what is installed when. */
  #isHeld: () => boolean = () => false;
  #mayInstall: () => void = () => undefined;
  /** Packages whose waiting licence agreement was told by mail. */
  readonly #toldEulas = new Set<string>();

  /** Opens the domain; installs and fetches nothing yet. Throws what `Updates.open` throws. */
  static async open(options: SoftwareOptions): Promise<Software> {
    const slots = new Slots(options.paths);
    // The engine needs the updates' shelf, and the updates what the engine has installed.
    let software: Software | undefined;
    const engineOf = (): InstallationEngine | undefined => software?.engine;
    const updates = await Updates.open({
      store: options.store,
      directory: options.paths.updates,
      applianceName: options.applianceName,
      clock: options.clock,
      installed: () => softwareHere(engineOf(), slots),
      licensedUntilMs: () => licensedUntilMs(engineOf()),
      waitingClients: () => software?.waitingClients(),
      log: options.log,
    });
    const engine = new Engine({
      store: options.store,
      paths: options.paths,
      shelf: updates.shelf,
      host: options.host,
      boot: options.boot,
      baseFolder: options.baseFolder,
      ownUrl: options.ownUrl,
      settings: () => updates.settings(),
      preflight: (target) => preflightOf(target),
      mail: (mail) => options.mailer.tell(mailEvent(mail, updatesPage(options))),
      restartBase: () => options.restartBase(),
      mayBegin: () => {
        if (software !== undefined) software.#mayInstall();
      },
      log: options.log,
    });
    const preflightOf = (target: string): Promise<PreflightLine[]> => {
      if (software === undefined) throw new Error('bug: a preflight before the domain is open');
      return software.preflight(target);
    };
    software = new Software(options, updates, engine, slots);
    engine.on('change', () => updates.changed());
    return software;
  }

  constructor(options: SoftwareOptions, updates: Updates, engine: InstallationEngine, slots: Slots) {
    super();
    this.#options = options;
    this.updates = updates;
    this.engine = engine;
    this.#slots = slots;
    this.#supplies = new ClientSupplies({
      paths: options.paths.clientSupplies,
      client: updates.client,
      runtimes: () => runtimesOf(slots),
      nextSite: () => this.#nextSite(),
      onRenewed: () => options.host.tellMain('update-metadata'),
      log: options.log,
    });
    this.#fleet = new FleetConditions({ host: options.host, site: () => this.#site(), nowMs: () => options.clock.now() });
    updates.on('change', () => {
      this.#supplies.renewSoon();
      this.#noteCommit();
      this.#tellLicences();
      this.emit('change');
    });
    updates.on('checked', () => this.#askAndInstall());
  }

  /** Before the site is started: undoes or goes on with what a crash cut. */
  resume(): void {
    this.engine.resume();
    this.#wasCommitted = this.isCommitted(this.#site().version);
    this.#toldLicences = this.licences();
  }

  /** After the site was started: goes on with an installation, looks for updates by itself, and installs unattended what it may. */
  start(): void {
    this.engine.continueAfterStart();
    this.updates.start();
    void this.#supplies.renew();
    void this.#offerSeed();
    this.#timer = setInterval(() => this.#look(), UNATTENDED_LOOK_MS).unref();
  }

  /** The package of the operating system may have been upgraded since the last start. */
  async #offerSeed(): Promise<void> {
    const { seed, log } = this.#options;
    if (seed === undefined) return;
    await this.updates.imports.offerSeed(BY_PACKAGE, seed).then(
      (targets) => targets.length > 0 && log.info({ seed, targets }, 'updates.seed-offered'),
      (error: unknown) => log.warn({ seed, err: error }, 'updates.seed-not-offered'),
    );
  }

  /** Ends looking and downloading; what the engine was doing goes on at the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.engine.stop();
    await this.updates.stop();
    await this.#supplies.stop();
  }

  routes(): AnyRoute[] {
    return softwareRoutes(this);
  }

  controlVerbs(): ControlVerbs {
    return controlVerbs(this);
  }

  /** Clients that the next site package waits for, as the plan shows them; undefined when it need not, or when the site does not say. */
  waitingClients(): PathStep['clients'] {
    const condition = this.#fleet.latest();
    if (condition.state !== 'pending') return undefined;
    const { total, pending, absent, failed } = condition.fleet;
    return { total, pending, absent, failed };
  }

  /** Whether `siteVersion` may upgrade clients: its watch period is over, or it was not installed just now. */
  isCommitted(siteVersion: string): boolean {
    const running = this.engine.running();
    const isChange = running?.operation === 'install' || running?.operation === 'roll-back';
    return !(isChange && running.kind === 'site' && running.toVersion === siteVersion);
  }

  /** Nothing is installed while `mayInstall` throws: a restore is under way. */
  heed(mayInstall: () => void): void {
    this.#mayInstall = mayInstall;
  }

  /** Nothing is installed unattended while `isHeld` says so. */
  holdUnattended(isHeld: () => boolean): void {
    this.#isHeld = isHeld;
  }

  /** Installed licence packages, for the site. */
  licences(): ToldLicence[] {
    return this.engine.installed().flatMap(({ licence, version }) => (licence === null ? [] : [{ version, terms: licence }]));
  }

  /** What comes next on the upgrade path, for upgrade plans. */
  next(): NextPackage[] {
    const { updates, engine } = this;
    const { watchSeconds } = updates.settings();
    const history = engine.history(HISTORY_LOOKED_AT);
    return nextPackages({ path: updates.path(), offers: updates.offers(), history, watchSeconds });
  }

  /** Both databases as they are now, once for a plan. Throws as `SiteHost.snapshot` and `Store.snapshot`. */
  async snapshot(plan: string): Promise<void> {
    const { store, host, paths, log } = this.#options;
    await takePlanSnapshot({ store, host, log, snapshots: paths.snapshots, keep: this.updates.settings().keepSnapshots }, plan);
  }

  /** All that the page and the command line show. */
  state(): UpdatesState {
    const { engine, updates } = this;
    this.#askFleet();
    const nowMs = this.#options.clock.now();
    const installed = engine.installed();
    return {
      ...updates.state(),
      installed: installed.map(({ kind, version, revision, installedAtMs, previousVersion }) => ({
        kind,
        version,
        revision,
        installedAtMs,
        previousVersion,
      })),
      licences: installed.flatMap(({ licence, version }) =>
        licence === null
          ? []
          : [{ ...licence, version, isExpired: licence.expiresAtMs !== null && licence.expiresAtMs <= nowMs }],
      ),
      running: engine.running() ?? null,
      rolledBack: engine.rolledBack() ?? null,
      lastInstalled: engine.lastInstalled() ?? null,
    };
  }

  /** Begins to install `target`. Throws NOT_FOUND, `EULA_NOT_ACCEPTED`, and what the engine throws. */
  install(context: Context, target: string, overrule: string[]): string {
    this.updates.manifest(target);
    this.updates.assertEulaAccepted(target);
    return this.engine.install({ target, overrule, by: context });
  }

  /** Fetches and verifies `target` without installing it (B79). */
  download(context: Context, target: string): string {
    this.updates.manifest(target);
    return this.engine.download({ target, by: context });
  }

  /** Tries `target` on a scratch copy (B49). */
  trial(context: Context, target: string): string {
    this.updates.manifest(target);
    return this.engine.trial({ target, by: context });
  }

  /** Looks at everything that could stop the installation of `target`; changes nothing. */
  preflight(target: string): Promise<PreflightLine[]> {
    const { store, paths, host, clock, certificateNotAfterMs, certificateExportedAtMs, processes } = this.#options;
    return preflight(target, {
      store,
      paths,
      slots: this.#slots,
      offer: (wanted) => this.updates.offer(wanted),
      manifest: (wanted) => this.updates.manifest(wanted),
      clock: () => clock.state(),
      metadataValidUntilMs: () => this.updates.metadataValidUntilMs(),
      certificateNotAfterMs,
      ...(certificateExportedAtMs !== undefined && { certificateExportedAtMs }),
      askSite: () => host.sitePreflight(),
      askFleet: () => this.#fleet.ask(),
      whoWouldILose: (change) => host.whoWouldILose(change),
      processes,
      history: (limit) => this.engine.history(limit),
    });
  }

  /** The target of `base` or `site`: the newest of that kind that can be installed now; another name stays. Throws `UPDATES_NOTHING_INSTALLABLE`. */
  targetOf(name: string): string {
    if (name !== 'base' && name !== 'site' && name !== 'licence') return name;
    const offer = this.updates.offers().find(({ manifest, state }) => manifest.kind === name && state === 'installable');
    if (offer !== undefined) return offer.target;
    throw new AppError('conflict', 'UPDATES_NOTHING_INSTALLABLE', `There is no ${name} package that can be installed now.`);
  }

  /** The site hears of a licence as soon as it is installed; what was installed before, it is told at its start. */
  #tellLicences(): void {
    const licences = this.licences();
    if (isDeepStrictEqual(licences, this.#toldLicences)) return;
    this.#toldLicences = licences;
    this.#options.host.tellLicences(licences);
  }

  /** Installs what may be installed with nobody there (unattended.ts); on a timer, and after each look for updates. */
  lookUnattended(now: Date = new Date()): void {
    const { engine, updates } = this;
    if (this.#isHeld() || engine.running() !== undefined || engine.rolledBack() !== undefined) return;
    const choice = chooseUnattended({
      settings: updates.settings(),
      now,
      offers: updates.offers(),
      path: updates.path(),
      history: engine.history(HISTORY_LOOKED_AT),
      fleet: this.#fleet.latest(),
    });
    if (choice === undefined) return;
    if (choice.do === 'tell-eula') this.#tellEula(choice.target);
    else this.#installUnattended(choice.target, choice.lane);
  }

  /** What is done every few minutes: the disk is tidied, and what may be installed unattended is. */
  #look(): void {
    if (this.engine.running() === undefined) void this.#tidy();
    this.#askAndInstall();
  }

  async #tidy(): Promise<void> {
    // Before the archive of a runtime goes: clients may need it.
    await this.#supplies.renew();
    await this.updates.imports.tidy().catch((error: unknown) => this.#options.log.warn({ err: error }, 'updates.not-tidied'));
  }

  #askAndInstall(): void {
    void this.#fleet.ask().then(() => {
      if (!this.#isStopped) this.lookUnattended();
    });
  }

  /** The page shows what was known and, when the answer is another, is told to look again. */
  #askFleet(): void {
    const before = JSON.stringify(this.#fleet.latest());
    void this.#fleet.askIfOld().then((asked) => {
      if (asked && !this.#isStopped && JSON.stringify(this.#fleet.latest()) !== before) this.updates.changed();
    });
  }

  #site(): { version: string; installedAtMs: number | null } {
    const site = this.engine.installed().find(({ kind }) => kind === 'site');
    return { version: site?.version ?? '', installedAtMs: site?.installedAtMs ?? null };
  }

  /** The first site package of the path that is here; else the newest that is here, which somebody wants although there is one after it. */
  #nextSite(): string | undefined {
    const isHere = (target: string | null) => this.updates.client.pathOf(target ?? '') !== undefined;
    const step = this.updates
      .path()
      .find(({ action, kind, target }) => action === 'install' && kind === 'site' && isHere(target));
    if (step !== undefined) return step.target ?? undefined;
    return this.updates
      .offers()
      .filter(({ manifest, state, target }) => manifest.kind === 'site' && NEWER.includes(state) && isHere(target))
      .toSorted((one, other) => compareVersions(other.manifest.version, one.manifest.version))[0]?.target;
  }

  #noteCommit(): void {
    const isCommitted = this.isCommitted(this.#site().version);
    if (isCommitted && !this.#wasCommitted) this.#options.host.tellMain('committed');
    this.#wasCommitted = isCommitted;
  }

  #installUnattended(target: string, lane: 'window' | 'emergency'): void {
    try {
      const id = this.install(UNATTENDED, target, []);
      this.#options.log.info({ target, lane, installation: id }, 'updates.unattended-installation');
    } catch (error) {
      this.#options.log.warn({ target, lane, err: error }, 'updates.unattended-refused');
    }
  }

  #tellEula(target: string): void {
    if (this.#toldEulas.has(target)) return;
    this.#toldEulas.add(target);
    const { kind, version } = this.updates.manifest(target);
    this.#options.mailer.tell({
      kind: 'needs-attention',
      what: `${kind} ${version} could be installed unattended, but nobody has accepted its licence agreement.`,
      advice: 'Open the page, read the agreement and accept it by name.',
      page: updatesPage(this.#options),
    });
  }
}

function updatesPage({ publicUrl }: SoftwareOptions): string {
  return `${publicUrl}/appliance/updates`;
}

/** Packages with what they need, and the runtimes that are unpacked. */
function softwareHere(engine: InstallationEngine | undefined, slots: Slots): SoftwareHere {
  const packages = (engine?.installed() ?? []).map(({ kind, version, licence }) => ({
    kind,
    version,
    requires: kind === 'licence' ? undefined : slots.current(kind)?.manifest.requires,
    holder: licence?.holder,
  }));
  return { packages, runtimes: runtimesOf(slots) };
}

/** SHA-256 of the archives of the runtimes of all installed versions. */
function runtimesOf(slots: Slots): string[] {
  const runtimes = (['base', 'site'] as const)
    .flatMap((kind) => slots.list(kind).map(({ manifest }) => manifest.runtime))
    .filter((runtime): runtime is string => runtime !== null && slots.hasRuntime(runtime));
  return [...new Set(runtimes)];
}

function licensedUntilMs(engine: InstallationEngine | undefined): number | null {
  const ends = (engine?.installed() ?? []).flatMap(({ licence }) => (licence === null ? [] : [licence.maintainedUntilMs]));
  return ends.length === 0 ? null : Math.max(...ends);
}

function mailEvent({ event, installation }: InstallationMail, page: string): MailEvent {
  const { kind, toVersion, fromVersion, startedBy, step, cause } = installation;
  const about = { package: kind, version: toVersion, fromVersion, page };
  if (event === 'installed') return { kind: 'installed', startedBy, ...about };
  const why = { step, cause: cause?.message ?? 'The cause is not known.', advice: cause?.advice ?? '' };
  if (event === 'failed') return { kind: 'failed', ...about, ...why };
  return { kind: 'rolled-back', ...about, ...why, mayRetry: cause?.mayRetry ?? false };
}
