/** Every address of the three interfaces and of the API is built here and nowhere else. */

const segment = encodeURIComponent;

export const pagePaths = {
  appliance: '/appliance',
  login: '/login',
  console: '/console',
  /** The Console with a terminal opened to this access session. */
  consoleSession: (sessionId: string) => `/console/sessions/${segment(sessionId)}`,
  /** Where a backup is restored, also when the site does not work. */
  restore: '/appliance/restore',
  /** Management > Failover. */
  failover: '/login/management/failover',
  /** Out of a test of the standby: answered by the primary, whatever becomes of the test. */
  leaveTest: '/login/leave-test',
  accessSessionReport: (sessionId: string) => `/login/reports/access-sessions/${segment(sessionId)}`,
} as const;

/** Without login: name and state of the appliance, answered by base even when the site is away. */
export const PUBLIC_STATE_PATH = '/appliance/api/state';
export const STREAM_PATH = '/stream';

/** Changes of the page Updates that have an address of their own. */
export type UpdatesAction =
  | 'check'
  | 'eula'
  | 'install'
  | 'download'
  | 'trial'
  | 'preflight'
  | 'cancel'
  | 'roll-back'
  | 'acknowledge'
  | 'verify'
  | 'download-key';

/** What can be done with a failover relationship. */
export type FailoverAction =
  'preview' | 'establish' | 'sync' | 'become-primary' | 'become-backup' | 'break' | 'split' | 'fix' | 'refresh';

/** Below the prefix of the interface (`/api` or `/appliance/api`), which the API client adds. */
export const apiPaths = {
  login: '/auth/login',
  loginTotp: '/auth/login/totp',
  loginPasskeyBegin: '/auth/login/passkey/begin',
  loginPasskeyFinish: '/auth/login/passkey/finish',
  logout: '/auth/logout',
  password: '/auth/password',
  me: '/auth/me',
  loginSessions: '/auth/sessions',
  loginSession: (id: string) => `/auth/sessions/${segment(id)}`,
  totpBegin: '/auth/totp/begin',
  totpConfirm: '/auth/totp/confirm',
  totpRemove: '/auth/totp/remove',
  passkeys: '/auth/passkeys',
  passkeyBegin: '/auth/passkeys/begin',
  passkeyFinish: '/auth/passkeys/finish',
  passkeyRemove: (id: string) => `/auth/passkeys/${segment(id)}/remove`,
  users: '/users',
  user: (id: string) => `/users/${segment(id)}`,
  userAction: (id: string, action: 'reset-password' | 'reset-second-factor' | 'end-login-sessions') =>
    `/users/${segment(id)}/${action}`,
  jumpItems: '/jump/items',
  jumpItem: (id: string) => `/jump/items/${segment(id)}`,
  jumpItemAction: (id: string, action: 'approve' | 'confirm' | 'revoke' | 'delete') => `/jump/items/${segment(id)}/${action}`,
  bulkJumpItems: '/jump/items/bulk',
  jumpGroups: '/jump/groups',
  jumpGroup: (id: string) => `/jump/groups/${segment(id)}`,
  installerTokens: '/jump/tokens',
  revokeInstallerToken: (id: string) => `/jump/tokens/${segment(id)}/revoke`,
  jumpItemsSearch: '/jump/items/search',
  conflicts: '/jump/conflicts',
  decideConflict: (clientId: string) => `/jump/conflicts/${segment(clientId)}/decide`,
  fleetSettings: '/fleet/settings',
  rollout: '/fleet/rollout',
  rolloutAction: (action: 'pause' | 'resume' | 'start') => `/fleet/rollout/${action}`,
  fleetClients: '/fleet/clients',
  fleetClient: (id: string) => `/fleet/clients/${segment(id)}`,
  fleetClientAction: (id: string, action: 'front' | 'retry') => `/fleet/clients/${segment(id)}/${action}`,
  fleetExport: '/fleet/export',
  fleetProof: '/fleet/proof',
  fleetUninstall: '/fleet/uninstall',
  losses: '/fleet/losses',
  move: '/move',
  moveCode: '/move/code',
  moveLook: '/move/look',
  moveBegin: '/move/begin',
  moveSwitch: '/move/switch',
  moveFinish: '/move/finish',
  moveCancel: '/move/cancel',
  licences: '/licences',
  licensedEndpoints: '/licences/endpoints',
  moveLicence: '/licences/endpoints/move',
  siteIdentity: '/fleet/identity',
  rotateSiteIdentity: '/fleet/identity/rotate',
  dismissRestored: '/fleet/identity/restored/dismiss',
  installers: '/installers',
  revokeInstaller: (id: string) => `/installers/${segment(id)}/revoke`,
  installerFile: (id: string, format: string) => `/installers/${segment(id)}/files/${segment(format)}`,
  downloads: '/downloads',
  download: (name: string) => `/downloads/${segment(name)}`,
  consoleLogin: (code: string) => `/console/logins/by-code/${segment(code)}`,
  decideConsoleLogin: (code: string) => `/console/logins/by-code/${segment(code)}/decide`,
  accessSessions: '/access-sessions',
  activeAccessSessions: '/access-sessions/active',
  attachAccessSession: (id: string) => `/access-sessions/${segment(id)}/attach`,
  endAccessSession: (id: string) => `/access-sessions/${segment(id)}/end`,
  accessSessionReports: '/reports/access-sessions',
  accessSessionReport: (id: string) => `/reports/access-sessions/${segment(id)}`,
  recording: (id: string) => `/reports/access-sessions/${segment(id)}/recording`,
  asciicast: (id: string) => `/reports/access-sessions/${segment(id)}/asciicast`,
  verifier: '/reports/verify.mjs',
  auditExport: '/reports/audit/export',
  audit: '/audit',
  securitySettings: '/settings/security',
  status: '/status',
  basics: '/status/basics',
  updatesState: '/updates/state',
  updatesEula: '/updates/eula',
  updatesHistory: '/updates/history',
  updatesLog: (id: string) => `/updates/history/${segment(id)}/log`,
  updatesSettings: '/updates/settings',
  updatesTrustFetch: '/updates/trust/fetch',
  updatesTrust: '/updates/trust',
  updatesAction: (action: UpdatesAction) => `/updates/${action}`,
  plans: '/plans',
  planAction: (id: string, action: 'run' | 'confirm' | 'pause' | 'cancel' | 'give-up') => `/plans/${segment(id)}/${action}`,
  planReport: (id: string) => `/plans/${segment(id)}/report`,
  uploads: '/updates/uploads',
  upload: (id: string) => `/updates/uploads/${segment(id)}`,
  uploadPart: (id: string, from: number) => `/updates/uploads/${segment(id)}?from=${from}`,
  finishUpload: (id: string) => `/updates/uploads/${segment(id)}/finish`,
  ntp: '/network/ntp',
  checkNtp: '/network/ntp/check',
  ipAddresses: '/network/addresses',
  ipAddress: (id: string) => `/network/addresses/${segment(id)}`,
  removeIpAddress: (id: string) => `/network/addresses/${segment(id)}/remove`,
  pendingChange: '/changes/pending',
  confirmChange: '/changes/confirm',
  undoChange: '/changes/undo',
  connectedNow: '/network/connected',
  traffic: '/network/traffic',
  moveTraffic: '/network/traffic/move',
  boxMail: '/support/email',
  siteMail: '/settings/email',
  testMail: (mail: '/support/email' | '/settings/email') => `${mail}/test`,
  events: '/events',
  applianceHeader: '/whoami/appliance',
  failover: '/failover',
  failoverAction: (action: FailoverAction) => `/failover/${action}`,
  failoverSettings: '/failover/settings',
  failoverWitness: '/failover/witness',
  rehearsal: '/failover/rehearsal',
  enterRehearsal: '/failover/rehearsal/enter',
  rehearsalChoices: '/failover/rehearsal/choices',
  preSharedKey: '/security/pre-shared-key',
  generatePreSharedKey: '/security/pre-shared-key/generate',
  apiTokens: '/account/api-tokens',
  apiToken: (id: string) => `/account/api-tokens/${segment(id)}`,
  openApi: '/openapi.json',
  backups: '/backups',
  backup: (id: string) => `/backups/${segment(id)}`,
  backupAction: (id: string, action: 'check' | 'cancel') => `/backups/${segment(id)}/${action}`,
  backupFile: (id: string) => `/backups/${segment(id)}/file`,
  backupSizes: '/backup/sizes',
  backupChanges: '/backup/changes',
  backupSchedule: '/backup/schedule',
  backupDestinations: '/backup/destinations',
  backupDestination: (id: string) => `/backup/destinations/${segment(id)}`,
  testBackupDestination: (id: string) => `/backup/destinations/${segment(id)}/test`,
  backupHostKey: '/backup/host-key',
  vaultKey: '/vault-key',
  vaultSecrets: '/vault-key/secrets',
  vaultDownload: '/vault-key/download',
  vaultRestoreLook: '/vault-key/restore/look',
  vaultRestore: '/vault-key/restore',
  vaultRotation: '/vault-key/rotation',
  fileStore: '/file-store',
  fileStoreSettings: '/file-store/settings',
  storedUploads: '/file-store/uploads',
  storedUpload: (id: string) => `/file-store/uploads/${segment(id)}`,
  storedUploadPart: (id: string, from: number) => `/file-store/uploads/${segment(id)}?from=${from}`,
  finishStoredUpload: (id: string) => `/file-store/uploads/${segment(id)}/finish`,
  storedFile: (id: string) => `/file-store/files/${segment(id)}`,
  undeleteStoredFile: (id: string) => `/file-store/files/${segment(id)}/undelete`,
} as const;
