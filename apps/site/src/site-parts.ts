/** Every domain of the site, opened in the order in which they need each other, and connected. */
import type { Accounts } from '@bascule/accounts/accounts.ts';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import type { HttpServer } from '@bascule/http/http-server.ts';
import { PUBLIC_STREAMS, StreamLimit } from '@bascule/http/stream-limit.ts';
import type { Log } from '@bascule/log/log.ts';
import { REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import { type OnMigration, type Store } from '@bascule/store/store.ts';
import { AccessSessions, accessSessionRoutes } from './access-session/access-session.ts';
import { auditRoutes } from './audit/audit.ts';
import { siteUrl, type SiteConfig } from './config/config.ts';
import { ConsoleLogins, consoleLoginRoutes, consoleRoutes, knownConsoles } from './console/console.ts';
import { Backups, backupRoutes, type BoxSettingsQuestion } from './backup/backup.ts';
import { type Failover, type ShownLine } from './failover/failover.ts';
import { rehearsalRoutes } from './failover/rehearsal/rehearsal-routes.ts';
import { Events, openSiteInterface, RecordingsSpace, siteRoutes } from './http/http.ts';
import { accountRoutes, openUsers } from './identity/identity.ts';
import { ClientPrograms } from './fleet/client-programs.ts';
import { fleetRoutes } from './fleet/fleet-routes.ts';
import { Fleet } from './fleet/fleet.ts';
import { FileStore, fileStoreRoutes } from './file-store/file-store.ts';
import { installerRoutes, Installers, windowsPackages } from './installers/installers.ts';
import { jumpRoutes } from './jump/jump-routes.ts';
import { Jump, SiteIdentity } from './jump/jump.ts';
import { openBackups } from './life/backup-parts.ts';
import type { FleetQuestions } from './life/fleet-questions.ts';
import { TestSession } from './life/test-session.ts';
import { Licences, licenceRoutes } from './licence/licence.ts';
import { openSiteMail, siteMailRoutes, type Mailer } from './mail/mail.ts';
import { Policy } from './policy/policy.ts';
import { reportRoutes, Reports } from './reports/reports.ts';
import { ReportRetention } from './reports/retention.ts';
import { Settings, settingsRoutes } from './settings/settings.ts';
import { Trust, trustRoutes } from './trust/trust.ts';
import { Vault, vaultRoutes } from './vault/vault.ts';
import { wrappedColumns } from './wrapped-columns.ts';

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
  /** How base is asked for the settings of the box, for backups. */
  boxSettings?: BoxSettingsQuestion;
}

/** Parts that are ready before anything listens. */
export interface Parts {
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
  vault: Vault;
  fileStore: FileStore;
  programs: ClientPrograms;
  fleet: Fleet;
  retention: ReportRetention;
  licences: Licences;
  backups: Backups;
  /** Who answers what base asks about clients. */
  fleetQuestions: FleetQuestions;
}

/** Opens every domain of the site, without listening. Throws the `AppError`s of the keys and the identity. */
export async function openParts(
  store: Store,
  { config, log, failover, rehearsal, boxSettings, now = Date.now }: SiteOptions,
): Promise<Parts> {
  const { paths } = config;
  const settings = new Settings(store);
  const mail = openSiteMail({ store, applianceName: config.applianceName, keyFile: config.keyFile, log, now });
  const limits = () => ({ idleMinutes: settings.current().loginIdleMinutes, maxHours: settings.current().loginMaxHours });
  const accounts = openUsers({ store, applianceName: config.applianceName, keyFile: config.keyFile, limits, log, now });
  const identity = await SiteIdentity.open({ keysDir: paths.keys, now });
  const events = new Events((loginSession) => accounts.sessions.isAlive(loginSession));
  const vault = new Vault({
    store,
    keyFile: config.keyFile,
    columns: wrappedColumns,
    appliance: config.applianceName,
    ...(failover !== undefined && { backup: () => failover.vaultBackup() }),
    isCommitted: config.isCommitted ?? true,
    alarm: (count, examples) =>
      mail.tell({
        kind: 'needs-attention',
        what: `${config.applianceName}: ${count} secrets cannot be read, since the vault key that wrapped them is missing (${examples})`,
        advice: 'Restore the vault key, or enter these secrets anew.',
        page: `${siteUrl(config)}/login/management/vault-key`,
      }),
    changed: () => events.publish('status'),
    log,
    now,
  });
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
    // Neither the system's own test nor a test of the standby needs a licence.
    checkLicence: (context, user, item) => {
      if (test.isBy(user.id) || rehearsal !== undefined) return;
      licences.checkSession(context, { id: user.id, isAdministrator: user.role === 'administrator' }, item);
    },
    changed: () => events.publish('active-sessions'),
    ...(failover !== undefined && { pair: failover.relay }),
    log,
    now,
  });
  const licences = new Licences({
    store,
    endpoints: () => jump.licensable(),
    endpoint: (id) => jump.licensableOne(id),
    approvedCount: () => jump.approvedJumpClients(),
    changedItems: (since) => jump.changedItems(since),
    sessions: () => sessions.active(),
    mail: (what, advice) =>
      mail.tell({ kind: 'needs-attention', what, advice, page: `${siteUrl(config)}/login/management/licences` }),
    log,
    now,
  });
  jump.onItemsChanged(() => licences.itemsChanged());
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
    ...(failover !== undefined && {
      line: () => failover.lineage.line,
      shown: (line: ShownLine) => failover.lineage.shown(line),
    }),
    publish: () => events.publish('status'),
    log,
    now,
  });
  const fleetQuestions: FleetQuestions = { fleet, trust };
  connectParts({ settings, accounts, jump, sessions, events });
  const fileStore = new FileStore({ store, filesDir: paths.files, changed: () => events.publish('status'), log, now });
  const publicStreams = new StreamLimit(PUBLIC_STREAMS);
  const reports = new Reports({ sessions, store, recordingsDir: paths.recordings });
  const retention = new ReportRetention({ store, recordingsDir: paths.recordings, log, now });
  const backups = openBackups({
    store,
    config,
    failover,
    boxSettings,
    identitySha256: () => identity.fingerprintSha256,
    mail,
    changed: () => events.publish('backup'),
    log,
    now,
  });
  const routes = [
    ...accountRoutes(accounts),
    ...settingsRoutes(settings),
    ...(rehearsal === undefined ? siteMailRoutes(mail) : rehearsalRoutes(siteMailRoutes(mail))),
    ...auditRoutes(store, identity),
    ...jumpRoutes({ jump, policy }),
    ...trustRoutes(trust),
    // What is done in a test of the standby is erased with it; the key is the real one.
    ...(rehearsal === undefined ? [...vaultRoutes(vault), ...fileStoreRoutes(fileStore), ...backupRoutes(backups)] : []),
    ...licenceRoutes(licences),
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
    ...siteRoutes({
      ...config,
      jump,
      sessions,
      policy,
      events,
      trust,
      backupProblem: () => backups.schedule.problem(),
      space: new RecordingsSpace(paths.recordings, now),
      now,
    }),
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
    retention,
    licences,
    vault,
    fileStore,
    backups,
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
