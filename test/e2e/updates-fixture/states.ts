/** Scripted states of the page Updates, as the appliance would answer them: the schemas check each. */
import {
  INSTALLATION_STEPS,
  POINT_OF_NO_RETURN,
  mailState,
  ntpState,
  updatesState,
  type Installation,
  type InstallationStep,
  type MailState,
  type NtpState,
  type Offer,
  type PreflightLine,
  type StepState,
  type UpdatesState,
} from '@bascule/protocol/api/updates.ts';

export const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const ROOT_SHA256 = '9f2c4e7a1b3d5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8';
const HASH = 'ab'.repeat(32);

/** An offer of a package; `change` overrides. */
export function offerOf(kind: 'base' | 'site' | 'licence', version: string, change: Partial<Offer> = {}): Offer {
  const now = Date.now();
  return {
    target: `${kind}/bascule-${kind}-${version}.tar.zst`,
    manifest: {
      format: 'bascule-package/1',
      kind,
      version,
      revision: '4f1c9a2',
      releasedAtMs: now - 2 * DAY_MS,
      requires: {},
      installsOver: null,
      upgradesClients: kind === 'site',
      restartsBox: kind === 'base',
      emergency: false,
      runtime: null,
      unpackedBytes: 60 * MIB,
      fileCount: 900,
      notes: {
        en: 'Recordings can be searched by command.\nThe console opens ten thousand Jump Items faster.',
        de: 'Aufzeichnungen lassen sich nach Befehlen durchsuchen.\nDie Konsole öffnet zehntausend Jump Items schneller.',
      },
    },
    downloadBytes: kind === 'licence' ? 2048 : 18.4 * MIB,
    eulaSha256: HASH,
    eulaAccepted: { by: 'admin', atMs: now - 30 * DAY_MS },
    state: 'installable',
    blockedBy: [],
    downloadedBytes: 0,
    downloadedAtMs: null,
    ...change,
  };
}

function whole(offer: Offer): Offer {
  return { ...offer, downloadBytes: Math.round(offer.downloadBytes) };
}

/** An installation that stands at `step`; the steps before are done. */
export function installationAt(
  step: InstallationStep,
  change: Partial<Installation> = {},
  progress: StepState['progress'] = null,
): Installation {
  const now = Date.now();
  const at = INSTALLATION_STEPS.indexOf(step);
  const startedAtMs = now - (at + 1) * 1_300;
  const steps = INSTALLATION_STEPS.map((name, index): StepState => {
    const state = index < at ? 'done' : index === at ? 'running' : 'waiting';
    return {
      step: name,
      state,
      startedAtMs: index <= at ? startedAtMs + index * 1_300 : null,
      endedAtMs: index < at ? startedAtMs + index * 1_300 + (index % 2 === 0 ? 1_250 : 240) : null,
      cancellable: index < INSTALLATION_STEPS.indexOf(POINT_OF_NO_RETURN),
      progress: index === at ? progress : null,
    };
  });
  return {
    id: 'in_1',
    kind: 'site',
    operation: 'install',
    fromVersion: '0.1.0',
    toVersion: '0.2.0',
    revision: '4f1c9a2',
    startedBy: 'admin',
    startedAtMs,
    endedAtMs: null,
    outcome: 'running',
    step,
    steps,
    mayCancel: at < INSTALLATION_STEPS.indexOf(POINT_OF_NO_RETURN),
    cancelRequestedBy: null,
    cause: null,
    preflight: [],
    verification: [],
    unavailableMs: null,
    acknowledgedBy: null,
    ...change,
  };
}

export function rolledBackAt(step: InstallationStep): Installation {
  const failed = installationAt(step);
  const at = INSTALLATION_STEPS.indexOf(step);
  return {
    ...failed,
    endedAtMs: Date.now() - 60_000,
    outcome: 'rolled-back',
    mayCancel: false,
    unavailableMs: 412,
    steps: failed.steps.map((one, index) => ({ ...one, state: index < at ? 'undone' : index === at ? 'failed' : 'waiting' })),
    cause: {
      code: 'CRASH_LOOP',
      message: 'Site main 0.2.0 ended three times within 40 seconds: "no such column: colour".',
      advice: 'Send the log to whoever gave you the package.',
      mayRetry: false,
    },
  };
}

export const PREFLIGHT: PreflightLine[] = [
  line('clock', 'green', 'The clock agrees with time.example.org within 12 ms.'),
  line('disk-space', 'green', '41.2 GiB are free; the worst case needs 412 MiB.'),
  line(
    'certificate',
    'amber',
    'The certificate ends in 12 days.',
    'Renew it under Security > Certificates before Jump Clients are asked to upgrade.',
  ),
  {
    ...line(
      'running-sessions',
      'amber',
      '3 access sessions are running. They go on, but their screens stand still for less than a second.',
      'Choose a quiet moment if somebody is in the middle of something delicate.',
    ),
    details: ['ann: web-1', 'ann: db-2', 'bert: mail-1'],
  },
  line('database-integrity', 'green', 'The database is whole.'),
];

export const RED_LINE = line(
  'disk-space',
  'red',
  '212 MiB are free; the worst case needs 412 MiB.',
  'Free at least 200 MiB, then check again.',
);

function line(code: string, outcome: PreflightLine['outcome'], text: string, advice = ''): PreflightLine {
  return { code, outcome, text, advice, params: { days: 12 }, details: [], overruledBy: null };
}

/** An appliance that is up to date, with its update server trusted; `change` overrides. */
export function stateOf(change: Partial<UpdatesState> = {}): UpdatesState {
  const now = Date.now();
  const state: UpdatesState = {
    nowMs: now,
    applianceName: 'alpha',
    publicKey: 'MCowBQYDK2VwAyEA7b1zq0c3b8y0m6b0q9Vn4q3c2WJ6rj8dVbT5m1hYl9E=',
    clock: clockOf('synchronised'),
    installed: [
      { kind: 'base', version: '0.1.0', revision: 'b2174f8', installedAtMs: now - 40 * DAY_MS, previousVersion: null },
      { kind: 'site', version: '0.1.0', revision: 'b2174f8', installedAtMs: now - 40 * DAY_MS, previousVersion: null },
    ],
    licences: [],
    settings: {
      serverUrl: 'https://updates.example.org',
      downloadLimitBytesPerSecond: 0,
      checkEveryHours: 6,
      unattended: { isOn: false, days: [6, 0], fromHour: 2, hours: 4 },
      emergencyLane: false,
      watchSeconds: 300,
      keepSnapshots: 3,
      keepVersions: 2,
    },
    trust: {
      rootSha256: ROOT_SHA256,
      rootVersion: 1,
      confirmedBy: 'admin',
      confirmedAtMs: now - 40 * DAY_MS,
      validUntilMs: now + 300 * DAY_MS,
    },
    lastCheck: {
      atMs: now - 90_000,
      error: null,
      validUntilMs: now + DAY_MS,
      source: 'server',
      maintainedUntilMs: now + 200 * DAY_MS,
    },
    isChecking: false,
    offers: [],
    path: [],
    running: null,
    rolledBack: null,
    lastInstalled: null,
    downloadKey: null,
    uploads: [],
    ...change,
  };
  return updatesState.parse({ ...state, offers: state.offers.map(whole) });
}

export function clockOf(state: UpdatesState['clock']['state']): UpdatesState['clock'] {
  const now = Date.now();
  const isAsked = state === 'synchronised' || state === 'off';
  return {
    systemMs: now,
    effectiveMs: state === 'behind' ? now + 3 * HOUR_MS : now,
    highestSeenMs: state === 'behind' ? now + 3 * HOUR_MS : now - 1_000,
    state,
    server: state === 'switched-off' ? null : 'time.example.org',
    offsetMs: isAsked ? (state === 'off' ? 184_000 : -12) : null,
    delayMs: isAsked ? 9.4 : null,
    checkedAtMs: now - 40_000,
  };
}

/** Base 0.3.0 can be installed; site 0.3.0 needs it. */
export function stateWithOffers(change: Partial<UpdatesState> = {}): UpdatesState {
  const base = offerOf('base', '0.3.0');
  const site = offerOf('site', '0.2.0', { eulaAccepted: null });
  const blocked = offerOf('site', '0.3.0', {
    state: 'blocked',
    blockedBy: [
      { reason: 'requires', kind: 'base', version: '0.3.0', range: '>=0.3.0', atMs: null },
      { reason: 'installs-over', kind: 'site', version: '0.2.0', range: '>=0.2.0', atMs: null },
    ],
  });
  return stateOf({
    offers: [base, site, blocked],
    path: [
      { action: 'install', kind: 'site', version: '0.2.0', target: site.target, downloadBytes: 19_293_798, reason: '' },
      { action: 'wait-for-clients', kind: null, version: null, target: null, downloadBytes: null, reason: 'clients' },
      { action: 'install', kind: 'base', version: '0.3.0', target: base.target, downloadBytes: 19_293_798, reason: '' },
      { action: 'back-up', kind: null, version: null, target: null, downloadBytes: null, reason: 'B58' },
      { action: 'install', kind: 'site', version: '0.3.0', target: blocked.target, downloadBytes: 19_293_798, reason: '' },
    ],
    ...change,
  });
}

export function ntpOf(state: UpdatesState['clock']['state']): NtpState {
  return ntpState.parse({
    settings: { isOn: state !== 'switched-off', servers: ['time.example.org', '192.0.2.5'] },
    clock: clockOf(state),
    hostSynchronised: state === 'synchronised',
    hostServers: ['192.0.2.1'],
  });
}

export function mailOf(change: Partial<MailState> = {}): MailState {
  const settings: MailState['settings'] = {
    isOn: true,
    host: 'mail.example.org',
    port: 587,
    security: 'starttls',
    certificateSha256: '',
    account: 'appliance',
    from: 'appliance@example.org',
    recipients: ['ann@example.org', 'bert@example.org'],
    language: 'en',
    hasPassword: true,
  };
  return mailState.parse({
    settings,
    lastSent: { atMs: Date.now() - DAY_MS, subject: 'alpha: site 0.1.0 is installed' },
    lastFailure: null,
    waiting: 0,
    ...change,
  });
}
