import { existsSync, mkdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import type { Accounts } from '@bascule/accounts/accounts.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { HttpServer } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { keepLogShort } from '@bascule/store/short-log.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { applianceStarted, applianceStopped } from './audit/audit.ts';
import type { BootLink } from './boot-link.ts';
import { type BoxSources } from './box/box.ts';
import { BoxCare } from './box-care.ts';
import { BoxSettings, settingsForSite } from './box-settings/box-settings.ts';
import { Changes } from './changes/changes.ts';
import { BoxCertificates } from './box-certificates.ts';
import { checkBoxStore, openBoxStore } from './box-store.ts';
import { readWebCertificate } from './certificates/certificates.ts';
import { publicAddress, type BaseConfig } from './config/config.ts';
import { Front } from './front/front.ts';
import { openBoxInterface, openControlSocket, routesOfBox, type ControlHandlers } from './http/http.ts';
import { openBoxAdministrators } from './identity/identity.ts';
import { Addresses, Clock, HelperClient, networkSettingsPart, Routing } from './network/network.ts';
import { Security } from './security/security.ts';
import { KnownEpoch, SiteHost } from './site-host/site-host.ts';
import { Plans } from './plans/plans.ts';
import { Software } from './software/software.ts';
import { boxControlHandlers } from './box-control.ts';
import { openMove } from './box-move.ts';
import { openRestore } from './box-restore.ts';
import type { Restore } from './restore/restore.ts';
import { mailSettingsPart, openBoxMail, type Mailer } from './support/support.ts';
import { Traffic } from './traffic/traffic.ts';
import { warmUpBase } from './warm-up.ts';
import type { Move } from './move/move.ts';
import { baseFolder, load, ownCertificate, ownUrl, type Prepared } from './prepared.ts';

/** The descriptor of the listening socket that boot passes (docs/spec/boot.md, 2). */
const LISTENING_DESCRIPTOR = 3;
/** A base that ends for another version ends within this, whatever hangs. */
const RESTART_LIMIT_MS = 10_000;

/** base, put together. */
export class Base {
  readonly #config: BaseConfig;
  readonly #boot: BootLink;
  readonly #log: Log;
  readonly #store: Store;
  readonly #accounts: Accounts;
  readonly #host: SiteHost;
  readonly #front: Front;
  readonly #changes: Changes;
  readonly #boxSettings: BoxSettings;
  readonly #clock: Clock;
  readonly #mailer: Mailer;
  readonly #addresses: Addresses;
  readonly #routing: Routing;
  readonly #security: Security;
  readonly #traffic: Traffic;
  readonly #helper: HelperClient;
  readonly #prepared: Prepared;
  readonly #certificates: BoxCertificates;
  #software: Software | undefined;
  #plans: Plans | undefined;
  #restore: Restore | undefined;
  #care: BoxCare | undefined;
  #move: Move | undefined;
  #firstPassword: string | undefined;
  #web: HttpServer | undefined;
  #control: Server | undefined;
  #endTrimming: (() => void) | undefined;

  /**
   * For a base that is a candidate: checks that it can work on what is there, and loads the site's programs beside those that run. Throws like `start`, and
   * leaves everything as it was.
   */
  static async prepare(config: BaseConfig, log: Log): Promise<Prepared> {
    if (existsSync(config.paths.boxDatabase)) checkBoxStore(config.paths.boxDatabase, log);
    const prepared = load(config, log, readWebCertificate(config.paths.boxTls) ?? (await ownCertificate(config)));
    await Promise.all([prepared.host.warmUp(), warmUpBase(config, log)]);
    return prepared;
  }

  /**
   * Opens what the box has, then the port, then starts the site. State that cannot be opened (`STORE_CORRUPT`, `STORE_NEWER` ...: `AppError` with one
   * sentence) ends it before anything is changed.
   */
  static async start(config: BaseConfig, boot: BootLink, log: Log, prepared?: Prepared): Promise<Base> {
    const { paths } = config;
    for (const directory of [paths.box, dirname(paths.controlSocket)]) mkdirSync(directory, { recursive: true, mode: 0o700 });
    // Loaded already, and which version it is does not change below: before all else, for people wait for it.
    const siteStart = prepared?.host.start();
    siteStart?.catch(() => undefined); // Thrown by #open.
    const store = openBoxStore({ path: paths.boxDatabase, appliance: config.applianceName, log });
    const certificate = await ownCertificate(config);
    // What was due when it was prepared has been made anew just now: a candidate leaves that alone.
    if (prepared !== undefined) prepared.web.certificate = certificate;
    const base = new Base(config, boot, log, store, prepared ?? load(config, log, certificate));
    await base.#open(siteStart);
    return base;
  }

  private constructor(config: BaseConfig, boot: BootLink, log: Log, store: Store, prepared: Prepared) {
    this.#config = config;
    this.#boot = boot;
    this.#log = log;
    this.#store = store;
    this.#prepared = prepared;
    this.#accounts = openBoxAdministrators(store, config.paths.box, config.applianceName, log, () => this.#security.rules());
    this.#changes = new Changes({ store, log });
    this.#boxSettings = new BoxSettings({
      changes: this.#changes,
      applianceName: config.applianceName,
      baseVersion: config.version,
    });
    this.#security = this.#makeSecurity();
    this.#clock = new Clock({ store, log });
    this.#mailer = openBoxMail(store, config.paths.box, log, config.applianceName);
    this.#host = prepared.host;
    this.#certificates = this.#makeCertificates();
    this.#front = new Front({
      main: this.#host.main,
      relay: this.#host.relay,
      appliance: (request, response) => this.#answer(request, response),
      ...this.#certificates.frontOptions(),
      accessOf: (localAddress) => this.#addresses.accessOf(localAddress),
      answersAppliance: (address) => this.#security.answers(address),
      installationSummary: () => this.#software?.engine.running() ?? this.#restore?.summary(),
      log,
    });
    const helper = new HelperClient(config.paths.helperSocket);
    this.#helper = helper;
    this.#addresses = new Addresses({
      store,
      helper,
      changes: this.#changes,
      certificateOf: (address) => this.#certificates.certificates.nameAt(address),
      log,
    });
    this.#routing = this.#makeRouting(helper);
    this.#traffic = this.#makeTraffic(helper);
    this.#boxSettings.register(this.#traffic.settingsPart());
    this.#boxSettings.register(mailSettingsPart(this.#mailer));
    const epochs = new KnownEpoch(store, log);
    prepared.epochs.known = () => epochs.get();
    this.#host.on('pairState', (state) => epochs.note(state));
    this.#changes.onTakenEffect(() => this.#front.renewConnections());
    this.#host.onBoxSettings((withSecrets) => settingsForSite({ settings: this.#boxSettings, store, withSecrets }));
    this.#host.on('programChanged', (name) => this.#front.programChanged(name));
    this.#host.on('routeChanged', () => this.#front.setPrograms(this.#host.main, this.#host.relay));
  }

  async #open(siteStart: Promise<void> | undefined): Promise<void> {
    const config = this.#config;
    this.#firstPassword = await this.#accounts.ensureFirstAdministrator();
    const software = await this.#openSoftware();
    const plans = this.#openPlans(software);
    const care = this.#openCare(software);
    const move = this.#openMove();
    // Decides which version of the site starts; but for a base that takes over from another, whose installation is one of base.
    software.resume();
    const restore = this.#openRestore(software, plans);
    restore.resume();
    // Beside what follows: people wait for the site, and its programs take as long as the rest of base.
    const starting = siteStart ?? this.#host.start();
    starting.catch(() => undefined); // Thrown below.
    const state = () => ({
      applianceName: config.applianceName,
      siteReady: this.#host.ready,
      siteState: this.#host.state,
      instance: this.#traffic.instance,
      moved: move.moved,
    });
    const traffic = this.#traffic;
    this.#security.start();
    this.#changes.start();
    traffic.start();
    void this.#addresses.start().then(() => this.#routing.start());
    this.#web = await openBoxInterface({
      config,
      accounts: this.#accounts,
      routes: routesOfBox({
        changes: [this.#changes, (request) => this.#front.arrivalOf(request)],
        sources: this.#boxSources(),
        state,
        clock: this.#clock,
        routing: this.#routing,
        security: this.#security,
        certificates: this.#certificates.certificates,
        mailer: this.#mailer,
        software,
        traffic,
        plans,
        care,
        move,
        restore,
      }),
      peerOf: (request) => this.#front.peerOf(request.socket),
      log: this.#log,
    });
    this.#control = await openControlSocket(
      config.paths.controlSocket,
      this.#controlHandlers(software, plans, restore),
      this.#log,
    );
    await Promise.all([this.#front.listen(LISTENING_DESCRIPTOR), this.#certificates.listen()]);
    await this.#boot.send({ kind: 'ready' });
    this.#store.transact(SYSTEM, applianceStarted({ version: config.version, address: publicAddress(config) }), () => undefined);
    this.#certificates.start();
    this.#endTrimming = keepLogShort(this.#store, (error) => this.#log.warn({ err: error }, 'box.log-not-trimmed'));
    this.#clock.start();
    care.start();
    move.start();
    await starting;
    software.start();
    plans.resume();
    restore.continueAfterStart();
  }

  /** Packages and the engine that installs them. */
  async #openSoftware(): Promise<Software> {
    const config = this.#config;
    const software = await Software.open({
      store: this.#store,
      paths: config.paths,
      applianceName: config.applianceName,
      host: this.#host,
      boot: this.#boot,
      clock: this.#clock,
      mailer: this.#mailer,
      certificateNotAfterMs: () => this.#certificates.shown.notAfterMs,
      certificateExportedAtMs: () => this.#certificates.exportedAtMs,
      baseFolder: baseFolder(config),
      seed: config.seed,
      ownUrl: ownUrl(config),
      publicUrl: publicAddress(config),
      processes: () => this.#processes(),
      restartBase: () => this.#end(),
      log: this.#log,
    });
    this.#software = software;
    this.#prepared.commits.isCommitted = (version) => software.isCommitted(version);
    this.#prepared.licences.installed = () => software.licences();
    return software;
  }

  #makeSecurity(): Security {
    const security = new Security({
      store: this.#store,
      changes: this.#changes,
      setTls: (options) => this.#front.setTlsOptions(options),
      setBanner: (text) => this.#host.setLoginBanner(text),
      arrivalOf: (request) => this.#front.arrivalOf(request),
      log: this.#log,
    });
    this.#boxSettings.register(security.settingsPart());
    return security;
  }

  #makeCertificates(): BoxCertificates {
    const [config, store, prepared, host, log] = [this.#config, this.#store, this.#prepared, this.#host, this.#log];
    const [mailer, boxSettings] = [this.#mailer, this.#boxSettings];
    return new BoxCertificates({ config, store, prepared, host, mailer, boxSettings, addresses: () => this.#addresses, log });
  }

  #makeRouting(helper: HelperClient): Routing {
    const routing = new Routing({
      store: this.#store,
      helper,
      changes: this.#changes,
      addresses: this.#addresses,
      arrivalOf: (request) => this.#front.arrivalOf(request),
      log: this.#log,
    });
    const [changes, addresses, clock] = [this.#changes, this.#addresses, this.#clock];
    this.#boxSettings.register(networkSettingsPart({ addresses, routing, clock, changes }));
    return routing;
  }

  #makeTraffic(helper: HelperClient): Traffic {
    const config = this.#config;
    const isAll = config.listen === '0.0.0.0' || config.listen === '::';
    return new Traffic({
      store: this.#store,
      boxDirectory: config.paths.box,
      helper,
      host: this.#host,
      network: this.#addresses,
      applianceName: config.applianceName,
      sharedName: config.publicHost,
      port: config.port,
      listensOn: isAll ? undefined : config.listen,
      browsers: () => this.#front.counts().browsers,
      localAddressOf: (socket) => this.#front.localAddressOf(socket),
      mailer: this.#mailer,
      page: `${publicAddress(config)}/appliance/networking/traffic`,
      log: this.#log,
    });
  }

  #openPlans(software: Software): Plans {
    const config = this.#config;
    this.#plans = new Plans({
      store: this.#store,
      applianceName: config.applianceName,
      host: this.#host,
      software,
      publicUrl: publicAddress(config),
      runDir: dirname(config.paths.controlSocket),
      consumersByAddress: () => this.#front.consumersByAddress(),
      certificates: (names) => this.#certificates.certificates.answerPeer(names),
      addresses: () =>
        this.#addresses.rows().map((row) => ({ ...row, held: row.shared ? this.#host.pairState?.serves === true : row.enabled })),
      log: this.#log,
    });
    return this.#plans;
  }

  #openRestore(software: Software, plans: Plans): Restore {
    const [config, store, host, boxSettings, log] = [this.#config, this.#store, this.#host, this.#boxSettings, this.#log];
    const knownEpoch = () => this.#prepared.epochs.known();
    this.#restore = openRestore({ config, store, host, software, plans, boxSettings, knownEpoch, log });
    return this.#restore;
  }

  #openCare(software: Software): BoxCare {
    const [config, store, accounts, host, helper] = [this.#config, this.#store, this.#accounts, this.#host, this.#helper];
    const [clock, mailer, addresses, traffic, log] = [this.#clock, this.#mailer, this.#addresses, this.#traffic, this.#log];
    this.#care = new BoxCare({
      config,
      store,
      accounts,
      host,
      helper,
      clock,
      mailer,
      addresses,
      traffic,
      software,
      boxSettings: this.#boxSettings,
      log,
      processes: () => this.#processes(),
      end: (again) => (again ? this.#end({}) : void this.#boot.send({ kind: 'stop' })),
    });
    return this.#care;
  }

  #openMove(): Move {
    const [config, store, host, prepared] = [this.#config, this.#store, this.#host, this.#prepared];
    const [boxSettings, clock, log] = [this.#boxSettings, this.#clock, this.#log];
    this.#move = openMove({ config, store, host, prepared, boxSettings, clock, log });
    return this.#move;
  }

  /** Ends this process in order; boot starts the version that the pointer names. */
  #end(options: { comeBackAtOnce?: boolean } = { comeBackAtOnce: true }): void {
    setTimeout(() => process.exit(1), RESTART_LIMIT_MS).unref();
    void this.stop(options).finally(() => process.exit(0));
  }

  /**
   * Stops in order: no new connections, which wait for the next base, what is under way is finished, then the site, then the box's own state. With
   * `comeBackAtOnce` another base takes over next.
   */
  async stop(options: { comeBackAtOnce?: boolean } = {}): Promise<void> {
    this.#certificates.close();
    this.#endTrimming?.();
    this.#control?.close();
    this.#plans?.close();
    await this.#restore?.stop();
    await this.#software?.stop();
    await this.#front.drain();
    await Promise.all([this.#care?.close(), this.#move?.close()]);
    // Before the site: from its end on, people wait for the next base.
    this.#clock.close();
    await Promise.all([this.#web?.close(), this.#mailer.close()]);
    await this.#host.stop(options);
    // Until here: what arrives at a shared address is still answered.
    await this.#traffic.close(options.comeBackAtOnce);
    this.#changes.close();
    this.#addresses.close();
    this.#routing.close();
    this.#front.close();
    this.#store.transact(SYSTEM, applianceStopped({ version: this.#config.version }), () => undefined);
    this.#store.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.#web === undefined) throw new Error('bug: the port is open before the box interface');
    this.#web.handle(request, response);
  }

  #processes(): ProcessState[] {
    return [...this.#boot.processes.processes, ...this.#host.processes()];
  }

  #boxSources(): BoxSources {
    const config = this.#config;
    return {
      applianceName: config.applianceName,
      home: config.paths.home,
      listen: config.listen,
      baseVersion: config.version,
      packageVersions: { ...config.packageVersions, site: this.#host.software.folder || this.#host.software.version },
      licences: () => this.#software?.licences().map(({ version }) => version) ?? [],
      siteReady: () => this.#host.ready,
      pair: () => {
        const state = this.#host.pairState;
        if (state === undefined) return null;
        const { role, serves, peer, lagChanges, lagSeconds } = state;
        return { role, serves, peer, lagChanges, lagSeconds };
      },
      processes: () => this.#processes(),
      separated: () => this.#boot.processes.separated,
      certificate: () => {
        const { issuedTo, names, notAfterMs, selfMade, sha256 } = this.#certificates.shown;
        const warnings = this.#certificates.certificates.forPublicHost()?.warnings ?? [];
        return { issuedTo, names, notAfterMs, selfMade, sha256, warnings };
      },
    };
  }

  #controlHandlers(software: Software, plans: Plans, restore: Restore): ControlHandlers {
    const [config, host, accounts, clock] = [this.#config, this.#host, this.#accounts, this.#clock];
    const own = boxControlHandlers({
      config,
      host,
      accounts,
      clock,
      processes: () => this.#processes(),
      takeFirstPassword: () => this.#takeFirstPassword(),
      stop: () => this.#boot.send({ kind: 'stop' }),
    });
    return { ...software.controlVerbs(), ...plans.controlVerbs(), ...restore.controlVerbs(), ...own };
  }

  #takeFirstPassword(): string | undefined {
    const password = this.#firstPassword;
    this.#firstPassword = undefined;
    return password;
  }
}

/** The sentence for a person of what kept base from starting. */
export function startFailure(error: unknown): string {
  if (error instanceof AppError) return error.message;
  return `base cannot start: ${error instanceof Error ? error.message : String(error)}`;
}
