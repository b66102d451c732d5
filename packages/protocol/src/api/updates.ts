/** Box interface, below `/appliance/api/updates`: packages, installations, the update server (B20, B53-B79). All actions are box administrators' only. */
import { z } from 'zod';
import { LANGUAGES } from './common.ts';
import { packageKind, packageManifest, PACKAGE_KINDS } from '../package-manifest.ts';
import { byteCount, instantMs, line, optionalLine, sha256Hex } from '../text.ts';

/** Steps of an installation in their order. A rollback is an installation of its own kind, with the steps from `freeze` on (see docs/decisions). */
export const INSTALLATION_STEPS = [
  'download',
  'verify',
  'stage',
  'preflight',
  'snapshot',
  'candidate',
  'health',
  'freeze',
  'migrate',
  'take-write',
  'switch',
  'drain',
  'watch',
  'commit',
] as const;
export const installationStep = z.enum(INSTALLATION_STEPS);
export type InstallationStep = z.infer<typeof installationStep>;

/** From this step on Cancel is not possible: what goes wrong is rolled back. */
export const POINT_OF_NO_RETURN: InstallationStep = 'freeze';

export const stepState = z.object({
  step: installationStep,
  /** `skipped`: the kind of package has no such step. */
  state: z.enum(['waiting', 'running', 'done', 'failed', 'skipped', 'undone']),
  startedAtMs: instantMs.nullable(),
  endedAtMs: instantMs.nullable(),
  /** Whether Cancel is possible while it runs. */
  cancellable: z.boolean(),
  progress: z
    .object({
      done: z.number(),
      total: z.number().nullable(),
      unit: z.enum(['bytes', 'seconds', 'clients', 'files', 'checks']),
      perSecond: z.number().nullable(),
      secondsLeft: z.number().nullable(),
    })
    .nullable(),
});
export type StepState = z.infer<typeof stepState>;

export const preflightLine = z.object({
  /** Permanent, such as `disk-space`; the interfaces translate `preflight.<code>.<outcome>` with `params`. */
  code: z.string().regex(/^[a-z-]+$/),
  outcome: z.enum(['green', 'amber', 'red']),
  /** English, for the log, mail and the command line. */
  text: z.string(),
  /** What to do; empty when green. */
  advice: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  details: z.array(z.string()).max(200),
  /** Who overruled an amber line. */
  overruledBy: z.string().nullable(),
});
export type PreflightLine = z.infer<typeof preflightLine>;

/** What is looked at after each installation (B215). */
export const verificationLine = z.object({
  code: z.string().regex(/^[a-z-]+$/),
  state: z.enum(['waiting', 'running', 'passed', 'failed', 'skipped']),
  text: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type VerificationLine = z.infer<typeof verificationLine>;

export const installation = z.object({
  id: z.string(),
  kind: packageKind,
  /** `install`, `download` (B79: not installed) or `roll-back`. */
  operation: z.enum(['install', 'download', 'roll-back', 'trial']),
  fromVersion: z.string().nullable(),
  toVersion: z.string(),
  revision: z.string(),
  startedBy: z.string(),
  startedAtMs: instantMs,
  endedAtMs: instantMs.nullable(),
  outcome: z.enum(['running', 'installed', 'downloaded', 'rolled-back', 'cancelled', 'failed', 'tried']),
  /** The step at which it is or ended. */
  step: installationStep,
  steps: z.array(stepState),
  mayCancel: z.boolean(),
  cancelRequestedBy: z.string().nullable(),
  /** Why it was rolled back, failed or was cancelled: a permanent code, and one English sentence. */
  cause: z.object({ code: z.string(), message: z.string(), advice: z.string(), mayRetry: z.boolean() }).nullable(),
  preflight: z.array(preflightLine),
  verification: z.array(verificationLine),
  /** Seconds for which the site did not answer, of those that base held requests. */
  unavailableMs: z.number().nullable(),
  acknowledgedBy: z.string().nullable(),
});
export type Installation = z.infer<typeof installation>;

/** One release that exists for this appliance. */
export const offer = z.object({
  target: z.string(),
  manifest: packageManifest.omit({ workspaces: true, migrations: true, eula: true }),
  downloadBytes: byteCount,
  eulaSha256: sha256Hex,
  eulaAccepted: z.object({ by: z.string(), atMs: instantMs }).nullable(),
  state: z.enum(['installable', 'blocked', 'installed', 'older']),
  /** What must come first, in words' parts: `install site 0.2.0 first`. */
  blockedBy: z
    .array(
      z.object({
        reason: z.enum(['requires', 'installs-over', 'not-yet-offered', 'not-maintained']),
        kind: packageKind.nullable(),
        version: z.string().nullable(),
        range: z.string().nullable(),
        atMs: instantMs.nullable(),
      }),
    )
    .max(8),
  /** Bytes of it that are here already, verified when equal to downloadBytes. */
  downloadedBytes: byteCount,
  downloadedAtMs: instantMs.nullable(),
});
export type Offer = z.infer<typeof offer>;

/** One line of the upgrade path that the planner lays (B82-B89). */
export const pathStep = z.object({
  action: z.enum(['install', 'wait-for-clients', 'back-up']),
  kind: packageKind.nullable(),
  version: z.string().nullable(),
  target: z.string().nullable(),
  downloadBytes: byteCount.nullable(),
  /** Why there is a wait. */
  reason: z.string(),
  /** Of a wait that has begun: clients of the site in use that are not upgraded yet, of all. */
  clients: z
    .object({ total: z.number().int(), pending: z.number().int(), absent: z.number().int(), failed: z.number().int() })
    .optional(),
});
export type PathStep = z.infer<typeof pathStep>;

export const clockState = z.object({
  systemMs: instantMs,
  /** What signatures are judged by: never below the highest time seen. */
  effectiveMs: instantMs,
  highestSeenMs: instantMs,
  /** `behind`: the system clock is below the highest time seen. */
  state: z.enum(['synchronised', 'off', 'unreachable', 'unchecked', 'behind', 'switched-off']),
  server: z.string().nullable(),
  offsetMs: z.number().nullable(),
  delayMs: z.number().nullable(),
  checkedAtMs: instantMs.nullable(),
});
export type ClockState = z.infer<typeof clockState>;

/** Nothing secret: it is shown, logged and mailed. */
function isPlainUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

export const updateSettings = z.object({
  /** Empty: no update server; packages come by hand. */
  serverUrl: z.union([
    z.literal(''),
    z
      .url({ protocol: /^https?$/ })
      .max(300)
      .refine(isPlainUrl, 'must not have a user name, a password, a query or a fragment'),
  ]),
  /** Bytes a second for downloads; 0 for no limit. */
  downloadLimitBytesPerSecond: z.number().int().min(0).max(10_000_000_000),
  checkEveryHours: z.number().int().min(0).max(168),
  /** Unattended installation; off by default (B65). Days 0 (Sunday) to 6, local time of the appliance. */
  unattended: z.object({
    isOn: z.boolean(),
    days: z.array(z.number().int().min(0).max(6)).max(7),
    fromHour: z.number().int().min(0).max(23),
    hours: z.number().int().min(1).max(24),
  }),
  /** Emergency packages are installed at once, outside the window. */
  emergencyLane: z.boolean(),
  watchSeconds: z.number().int().min(1).max(86_400),
  /** How many snapshots, and how many earlier versions of each kind, are kept. */
  keepSnapshots: z.number().int().min(1).max(20),
  keepVersions: z.number().int().min(1).max(10),
});
export type UpdateSettings = z.infer<typeof updateSettings>;

/** GET state: all that the page shows; polled. */
export const updatesState = z.object({
  nowMs: instantMs,
  applianceName: z.string(),
  /** By which the update server knows this appliance: base64 of its public key (SPKI, Ed25519). */
  publicKey: z.string(),
  clock: clockState,
  installed: z.array(
    z.object({
      kind: packageKind,
      version: z.string(),
      revision: z.string(),
      installedAtMs: instantMs.nullable(),
      previousVersion: z.string().nullable(),
    }),
  ),
  licences: z.array(packageManifest.shape.licence.unwrap().extend({ version: z.string(), isExpired: z.boolean() })),
  settings: updateSettings,
  trust: z
    .object({
      rootSha256: sha256Hex,
      rootVersion: z.number().int(),
      confirmedBy: z.string(),
      confirmedAtMs: instantMs,
      validUntilMs: instantMs,
    })
    .nullable(),
  lastCheck: z
    .object({
      atMs: instantMs,
      error: z.object({ code: z.string(), message: z.string(), advice: z.string() }).nullable(),
      /** Of the newest metadata. */
      validUntilMs: instantMs.nullable(),
      source: z.enum(['server', 'file']),
      maintainedUntilMs: instantMs.nullable(),
    })
    .nullable(),
  isChecking: z.boolean(),
  offers: z.array(offer),
  path: z.array(pathStep),
  running: installation.nullable(),
  /** The last one that rolled back and that nobody has acknowledged. */
  rolledBack: installation.nullable(),
  /** The last one that ended well, with its verification list. */
  lastInstalled: installation.nullable(),
  downloadKey: z.object({ expiresAtMs: instantMs }).nullable(),
  uploads: z.array(z.object({ id: z.string(), name: z.string(), receivedBytes: byteCount, totalBytes: byteCount })),
});
export type UpdatesState = z.infer<typeof updatesState>;

// GET    updates/state            → updatesState
// GET    updates/eula?target=     → eulaText
// GET    updates/history          → history; GET updates/history/:id/log → text/plain
// PUT    updates/settings         ← updateSettings
// POST   updates/trust/fetch      → the root found at the server, to be compared and confirmed once
// POST   updates/trust            ← confirmTrust
// POST   updates/check            → ok (202; the page polls)
// POST   updates/eula             ← acceptEula
// POST   updates/install          ← startInstallation → { id }
// POST   updates/download         ← startInstallation → { id }
// POST   updates/trial            ← startInstallation → { id }     (B49: on a copy)
// POST   updates/preflight        ← { target } → { lines }
// POST   updates/cancel           ← { id }
// POST   updates/roll-back        ← rollBack → { id }
// POST   updates/acknowledge      ← { id }
// POST   updates/verify           ← { } runs the verification list again
// POST   updates/download-key     → downloadKey
// POST   updates/uploads          ← startUpload → { id, receivedBytes }
// PUT    updates/uploads/:id?from=OFFSET  ← raw bytes (application/octet-stream) → { receivedBytes }
// POST   updates/uploads/:id/finish       → { targets }  verified; its packages are offers now
// DELETE updates/uploads/:id

export const eulaText = z.object({ target: z.string(), sha256: sha256Hex, text: z.string() });
export const foundTrust = z.object({
  rootSha256: sha256Hex,
  rootVersion: z.number().int(),
  validUntilMs: instantMs,
  threshold: z.number().int(),
  keys: z.array(z.string()),
});
export const confirmTrust = z.object({ rootSha256: sha256Hex });
export const acceptEula = z.object({ target: z.string().max(200), sha256: sha256Hex, name: line(200) });
export const startInstallation = z.object({
  target: z.string().max(200),
  /** Codes of amber preflight lines that are overruled, by whoever asks. */
  overrule: z.array(z.string().max(60)).max(40).default([]),
});
export const rollBack = z.object({ kind: z.enum(['base', 'site']) });
export const preflightAnswer = z.object({ lines: z.array(preflightLine) });
export const history = z.object({ installations: z.array(installation.omit({ preflight: true, verification: true })) });
export const downloadKey = z.object({ text: z.string(), expiresAtMs: instantMs });
export const startUpload = z.object({
  name: line(200),
  totalBytes: byteCount.min(1).max(8_000_000_000),
  /** Of the whole file, when the browser could compute it; resumes an earlier upload of the same. */ sha256:
    sha256Hex.optional(),
});
export const uploadState = z.object({ id: z.string(), receivedBytes: byteCount });
export const finishedUpload = z.object({ targets: z.array(z.string()) });

/** GET network/ntp (B14, B80, B81) and PUT network/ntp. */
export const ntpSettings = z.object({
  isOn: z.boolean(),
  servers: z.array(line(253)).max(4),
});
export type NtpSettings = z.infer<typeof ntpSettings>;
export const ntpState = z.object({
  settings: ntpSettings,
  clock: clockState,
  /** Whether the machine's own time service says that the clock is synchronised; null when it does not say. Bascule never sets the clock. */
  hostSynchronised: z.boolean().nullable(),
  /** Those that are asked while the settings name none: of the machine's own time service. */
  hostServers: z.array(z.string()).max(4),
});
export type NtpState = z.infer<typeof ntpState>;

/** Mail settings of the box (support/email) and, with the same shape, of the site (`/api/settings/email`). */
export const mailSettings = z.object({
  isOn: z.boolean(),
  host: optionalLine(253),
  port: z.number().int().min(1).max(65_535),
  /** `tls`: from the first byte (465); `starttls`: must be offered; `none`: in clear, warned about. */
  security: z.enum(['tls', 'starttls', 'none']),
  /** SHA-256 of the server's certificate when it is self-made; empty: a trusted certificate is needed. */
  certificateSha256: z.union([z.literal(''), sha256Hex]),
  account: optionalLine(200),
  from: optionalLine(254),
  recipients: z.array(z.email().max(254)).max(20),
  language: z.enum(LANGUAGES),
});
export type MailSettings = z.infer<typeof mailSettings>;
/** PUT: `password` absent leaves the stored one, empty removes it. It is never given out. */
export const changeMailSettings = mailSettings.extend({ password: z.string().max(500).optional() });
export type ChangeMailSettings = z.infer<typeof changeMailSettings>;
export const mailState = z.object({
  settings: mailSettings.extend({ hasPassword: z.boolean() }),
  lastSent: z.object({ atMs: instantMs, subject: z.string() }).nullable(),
  /** The last that failed and was not followed by one that was delivered; shown on the page. */
  lastFailure: z.object({ atMs: instantMs, subject: z.string(), message: z.string(), attempts: z.number().int() }).nullable(),
  waiting: z.number().int(),
});
export type MailState = z.infer<typeof mailState>;
// GET/PUT support/email (box) and settings/email (site); POST .../test → ok, or MAIL_FAILED with the server's own words.

export { PACKAGE_KINDS };
