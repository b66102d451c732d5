import { mkdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Accounts } from '@bascule/accounts/accounts.ts';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import type { HttpServer, Peer } from '@bascule/http/http-server.ts';
import { PUBLIC_STREAMS, StreamLimit } from '@bascule/http/stream-limit.ts';
import type { Log } from '@bascule/log/log.ts';
import { REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import { SYSTEM, type OnMigration, type Store } from '@bascule/store/store.ts';
import { AccessSessions, accessSessionRoutes } from './access-session/access-session.ts';
import { auditRoutes, signHeadsHourly } from './audit/audit.ts';
import { siteUrl, type SiteConfig } from './config/config.ts';
import { ConsoleLogins, consoleLoginRoutes, consoleRoutes, knownConsoles } from './console/console.ts';
import { PAIR_ADVICE, type Failover, type ServedParts } from './failover/failover.ts';
import { rehearsalSiteOf } from './failover/rehearsal/rehearsal-guide-site.ts';
import { rehearsalRoutes } from './failover/rehearsal/rehearsal-routes.ts';
import { Events, openSiteInterface, RecordingsSpace, siteRoutes } from './http/http.ts';
import { accountRoutes, openUsers } from './identity/identity.ts';
import { ClientPrograms } from './fleet/client-programs.ts';
import { fleetRoutes } from './fleet/fleet-routes.ts';
import { Fleet } from './fleet/fleet.ts';
import { installerRoutes, Installers, windowsPackages } from './installers/installers.ts';
import { jumpRoutes } from './jump/jump-routes.ts';
import { Jump, SiteIdentity } from './jump/jump.ts';
import type { FleetQuestions } from './life/fleet-questions.ts';
import { TestSession, type TestSessionResult } from './life/test-session.ts';
import { openSiteMail, siteMailRoutes, type Mailer } from './mail/mail.ts';
import { Policy } from './policy/policy.ts';
import { reportRoutes, Reports } from './reports/reports.ts';
import { Settings, settingsRoutes } from './settings/settings.ts';
import { openSiteStore } from './site-store.ts';
import { Trust, trustRoutes } from './trust/trust.ts';

export interface SiteOptions {
  config: SiteConfig;
  log: Log;
  now?: () => number;
  /** `checkSite` has just passed. */
  checked?: boolean;
  /** On a scratch copy that nobody else writes to: there is no generation, and nothing is to be done by itself. */
  isTrial?: boolean;
  onMigration?: OnMigration;
  /** The pair, which then owns the store; without it (trials, tests of the site alone) the site opens its own. */
  failover?: Failover;
  /** On the scratch copy of a test of the standby (B133): for these clients alone; it mails nothing, upgrades nobody and reaches nothing else. */
  rehearsal?: { clients: ReadonlySet<string> };
}

/** Requests that are under way at an orderly stop are answered within this. */
const ANSWER_LIMIT_MS = 1000;

/** Parts that are ready before anything listens. */
interface Parts {
  store: Store;
  settings: Settings;
  mail: Mailer;
  accounts: Accounts;
  identity: SiteIdentity;
  jump: Jump;
  sessions: AccessSessions;
  events: Events;
  policy: Policy;
  installers: Installers;
  http: HttpServer;
  test: TestSession;
  trust: Trust;
  programs: ClientPrograms;
  fleet: Fleet;
  /** Who answers what base asks about clients. */
  fleetQuestions: FleetQuestions;
}

/** Whoever reached base's control socket: base's own user or root, on this machine. */
const COMMAND_LINE = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line on the appliance' } };

/** Site main, put together. */
export class Site {
  readonly parts: Parts;
  /** Once, on the start that made the user `admin`. */
  readonly firstPassword: string | undefined;
  readonly #config: SiteConfig;
  readonly #stopSigning: () => void;
  readonly #log: Log;
  readonly #ownsStore: boolean;
  readonly #isRehearsal: boolean;
  #disconnect: () => void = () => undefined;

  private constructor(options: SiteOptions, parts: Parts, firstPassword: string | undefined) {
    this.#config = options.config;
    this.#log = options.log;
    this.#ownsStore = options.failover === undefined;
    this.#isRehearsal = options.rehearsal !== undefined;
    this.parts = parts;
    this.firstPassword = firstPassword;
    this.#stopSigning = signHeadsHourly(parts.store, (bytes) => parts.identity.sign(bytes), options.log);
  }

  /** Opens the state and builds every domain, without listening. Throws the `AppError`s of the store, the keys and the identity. */
  static async open(options: SiteOptions): Promise<Site> {
    const { failover } = options;
    makeFolders(options.config);
    const store = failover?.store ?? openOwnStore(options);
    try {
      const parts = await openParts(store, options);
      const site = new Site(options, parts, await parts.accounts.ensureFirstAdministrator());
      if (failover !== undefined) {
        const disconnect = failover.connect(partsForPair(parts, () => failover.pageUrl()));
        site.#disconnect = () => {
          disconnect();
          failover.guide.servingEnds();
        };
      }
      return site;
    } catch (error) {
      if (failover === undefined) store.close();
      throw error;
    }
  }

  /** Begins to keep access sessions, to send mail and to upgrade clients: before the first connection. */
  start(): void {
    const { sessions, mail, fleet } = this.parts;
    sessions.start();
    if (this.#isRehearsal) return;
    mail.start();
    fleet.start();
  }

  /** Takes a connection that base made for `peer`. */
  accept(socket: Socket, peer: Peer): void {
    this.parts.http.accept(socket, peer);
  }

  acceptLink(socket: Socket, head: Uint8Array): void {
    this.parts.jump.acceptLink(socket, head);
  }

  /** A one-time password for user `name`, on behalf of the command line. */
  resetPassword(name: string): Promise<string> {
    return this.parts.accounts.resetPassword(COMMAND_LINE, name);
  }

  /** Removes every second factor of user `name`, on behalf of the command line. */
  resetSecondFactor(name: string): void {
    this.parts.accounts.resetSecondFactor(COMMAND_LINE, name);
  }

  /** The web is served with another key now. */
  setWebKeyPin(webKeyPin: string): void {
    this.#config.webKeyPin = webKeyPin;
  }

  /** This version's watch period is over: client programs may be upgraded. */
  committed(): void {
    this.parts.fleetQuestions.fleet?.committed();
    this.parts.trust.committed();
  }

  /** Base renewed what it keeps for client programs. */
  updateMetadataRenewed(): void {
    void this.parts.programs.renewed();
  }

  /** What base shows of this program's health. */
  health(): Record<string, number | boolean> {
    const { jump, sessions, events } = this.parts;
    return {
      clientsOnline: jump.counts().online,
      accessSessions: sessions.count,
      relay: sessions.relayReady,
      eventStreams: events.count,
    };
  }

  /** A real access session by the system, recorded like any other (B215). */
  testSession(): Promise<TestSessionResult> {
    return this.parts.test.run();
  }

  /** Ends in order: links are told (`comeBackAtOnce`: to be there again in a moment), requests under way answered, and the store is closed last. */
  async close({ comeBackAtOnce = false } = {}): Promise<void> {
    const { http, sessions, jump, events, accounts, mail, fleet, store, trust } = this.parts;
    this.#stopSigning();
    this.#disconnect();
    events.close();
    const ended = await Promise.allSettled([
      http.close(comeBackAtOnce ? ANSWER_LIMIT_MS : 0),
      jump.close(comeBackAtOnce ? (client) => sessions.isOnClient(client) : undefined),
      mail.close(),
    ]);
    for (const outcome of ended) if (outcome.status === 'rejected') this.#notClosed(outcome.reason);
    // What a part could not write any more (the other side has the site) must not keep the others open.
    for (const part of [trust, sessions, fleet, accounts])
      try {
        part.close();
      } catch (error) {
        this.#notClosed(error);
      }
    if (this.#ownsStore) store.close();
  }

  #notClosed(error: unknown): void {
    this.#log.warn({ err: error }, 'site.part-not-closed');
  }
}

/** What the pair hears of the site, and tells it. */
function partsForPair(parts: Parts, page: () => string): ServedParts {
  const { events, sessions, jump, mail } = parts;
  return {
    rehearsal: rehearsalSiteOf(parts),
    changed: () => events.publish('failover'),
    relayOrder: () => sessions.pairChanged(),
    addressesChanged: () => jump.addressesChanged(),
    mail: (what) => mail.tell({ kind: 'needs-attention', what, advice: PAIR_ADVICE, page: page() }),
    figures: () => ({ clientsOnline: jump.counts().online, sessions: sessions.count }),
    liveSessions: () => sessions.active().map(({ userName, jumpItemName }) => ({ user: userName, item: jumpItemName })),
  };
}

function makeFolders({ paths }: SiteConfig): void {
  for (const directory of [paths.site, paths.keys, paths.recordings, paths.files, paths.run])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
}

function openOwnStore({ config, log, now, checked, onMigration, isTrial = false }: SiteOptions): Store {
  const { paths } = config;
  return openSiteStore({
    path: paths.database,
    appliance: config.applianceName,
    ...(!isTrial && { generation: { file: paths.generation, number: config.generation } }),
    log,
    now,
    checked,
    onMigration,
  });
}

async function openParts(store: Store, { config, log, failover, rehearsal, now = Date.now }: SiteOptions): Promise<Parts> {
  const { paths } = config;
  const settings = new Settings(store);
  const mail = openSiteMail({ store, applianceName: config.applianceName, keyFile: config.keyFile, log, now });
  const limits = () => ({ idleMinutes: settings.current().loginIdleMinutes, maxHours: settings.current().loginMaxHours });
  const accounts = openUsers({ store, applianceName: config.applianceName, keyFile: config.keyFile, limits, log, now });
  const identity = await SiteIdentity.open({ keysDir: paths.keys, now });
  const events = new Events((loginSession) => accounts.sessions.isAlive(loginSession));
  const jump = await Jump.open({
    store,
    identity,
    keysDir: paths.keys,
    appliance: config.applianceName,
    version: config.version,
    log,
    userName: (id) => accounts.nameOf(id),
    ...(failover !== undefined && { addresses: () => failover.clientAddresses() }),
    ...(rehearsal !== undefined && { rehearsal: { alpn: REHEARSAL_LINK_ALPN, clients: rehearsal.clients } }),
    now,
  });
  const policy = new Policy({ groupIdsOfUser: (userId) => jump.groupIdsOfUser(userId) });
  const sessions = new AccessSessions({
    store,
    clients: jump,
    relaySocket: paths.relayControlSocket,
    linkTls: () => jump.linkTls,
    appliance: config.applianceName,
    settings: () => settings.current(),
    mayJump: (userId, itemId) => {
      if (test.isBy(userId)) return true;
      const role = accounts.roleOf(userId);
      const item = jump.target(itemId);
      return role !== undefined && item !== undefined && policy.mayJump({ id: userId, role }, item);
    },
    // The system's own test of a new version is not held back by the upgrades that follow it, nor is anybody where no client is upgraded.
    holdBack: (context, userId, itemId) =>
      test.isBy(userId) || rehearsal !== undefined ? undefined : fleet.holdBack(context, itemId),
    changed: () => events.publish('active-sessions'),
    ...(failover !== undefined && { pair: failover.relay }),
    log,
    now,
  });
  const test: TestSession = new TestSession({
    sessions,
    policy,
    targets: () => jump.connectedTargets(),
    relaySocket: paths.relaySocket,
    log,
  });
  const programs = await ClientPrograms.open({
    filesDir: paths.files,
    softwareDir: config.softwareDir,
    version: config.version,
    updateMetadataDir: config.updateMetadataDir,
    runtimeArchivesDir: config.runtimeArchivesDir,
    nextDir: config.nextProgramsDir,
    runtimeDir: config.runtimeDir,
    log,
    now,
  });
  const installers = new Installers({
    store,
    jump,
    programs,
    keyWrap: openKeyWrap(config.keyFile),
    filesDir: paths.files,
    siteUrl: () => siteUrl(config),
    webKeyPin: () => config.webKeyPin,
    defaultMode: () => fleet.settings().defaultMode,
    isPinned: (identitySha256) => identity.isPinned(identitySha256),
    ...windowsPackages({ filesDir: paths.files, archive: (version) => programs.windowsInstallers(version) }),
    log,
    now,
  });
  const fleet: Fleet = new Fleet({
    store,
    jump,
    programs,
    sessions,
    publish: () => events.publish('fleet'),
    mail,
    page: () => `${siteUrl(config)}/login/jump/upgrades`,
    isCommitted: config.isCommitted ?? true,
    log,
    now,
  });
  const trust = new Trust({
    store,
    identity,
    jump,
    address: () => ({ host: config.publicHost, port: config.publicPort }),
    webKeyPin: () => config.webKeyPin,
    hasProgram: (program, platform) => programs.versions(program, platform).length > 0,
    installers: (version) => installers.outdated(version),
    consoles: () => knownConsoles(accounts),
    consoleTls: () => fleet.settings().consoleTls,
    isCommitted: config.isCommitted ?? true,
    mail,
    page: () => `${siteUrl(config)}/login`,
    publish: () => events.publish('status'),
    log,
    now,
  });
  const fleetQuestions: FleetQuestions = { fleet, trust };
  connectParts({ settings, accounts, jump, sessions, events });
  const publicStreams = new StreamLimit(PUBLIC_STREAMS);
  const reports = new Reports({ sessions, store, recordingsDir: paths.recordings });
  const routes = [
    ...accountRoutes(accounts),
    ...settingsRoutes(settings),
    ...(rehearsal === undefined ? siteMailRoutes(mail) : rehearsalRoutes(siteMailRoutes(mail))),
    ...auditRoutes(store, identity),
    ...jumpRoutes({ jump, policy }),
    ...trustRoutes(trust),
    ...installerRoutes({ installers, jump, publicStreams }),
    ...consoleLoginRoutes(new ConsoleLogins({ store, accounts, now })),
    ...consoleRoutes({
      site: config.applianceName,
      programs,
      consoleTls: () => fleet.settings().consoleTls,
      identity,
      ...(failover !== undefined && { addresses: () => failover.clientAddresses() }),
      webKeyPin: () => config.webKeyPin,
      publicStreams,
    }),
    ...accessSessionRoutes({ sessions, policy, target: (id) => jump.target(id) }),
    ...fleetRoutes({
      fleet,
      jump,
      policy,
      store,
      identity,
      siteUrl: () => siteUrl(config),
      appliance: config.applianceName,
      now,
    }),
    ...reportRoutes({ reports, policy, verifyTool: config.verifyTool }),
    ...(failover?.routes() ?? []),
    ...siteRoutes({ ...config, jump, sessions, policy, events, trust, space: new RecordingsSpace(paths.recordings, now), now }),
  ];
  const http = await openSiteInterface({
    config,
    accounts,
    policy,
    routes,
    log,
    now,
    ...(failover !== undefined && { beforeReply: () => failover.beforeReply(), door: failover.guide.door }),
  });
  if (failover !== undefined) connectRehearsals(failover, { accounts, jump });
  return {
    store,
    settings,
    mail,
    accounts,
    identity,
    jump,
    sessions,
    events,
    policy,
    installers,
    http,
    test,
    programs,
    fleet,
    trust,
    fleetQuestions,
  };
}

/** Who is in a test of the standby leaves it with their login; what clients say of it is told. */
function connectRehearsals({ guide }: Failover, { accounts, jump }: Pick<Parts, 'accounts' | 'jump'>): void {
  accounts.onLoginSessionsEnded(({ loginSessions }) => guide.loginSessionsEnded(loginSessions));
  accounts.users.onRoleChanged(() => guide.rolesChanged());
  jump.onClientHello((client) => guide.clientCame(client));
  jump.onClientMessage((client, message) => {
    if (message.kind === 'rehearsal-link') guide.clientSaid(client, message);
  });
}

/** What happens in one domain and matters in another. */
function connectParts({
  settings,
  accounts,
  jump,
  sessions,
  events,
}: Pick<Parts, 'settings' | 'accounts' | 'jump' | 'sessions' | 'events'>): void {
  settings.onChange(() => sessions.settingsChanged());
  accounts.onLoginSessionsEnded((ended) => {
    sessions.loginSessionsEnded(ended);
    events.endLoginSessions(ended.loginSessions);
  });
  accounts.users.onRoleChanged(() => sessions.rightsChanged());
  jump.keepCheckIn((client) => sessions.isOnClient(client));
  jump.onAccessChanged(() => sessions.rightsChanged());
  jump.onLinkTlsChanged(() => sessions.settingsChanged());
  jump.onItemsChanged(() => {
    events.publish('jump-items');
    events.publish('status');
  });
  jump.onConflictsChanged(() => events.publish('conflicts'));
}
