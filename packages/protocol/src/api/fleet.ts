/** Site interface: the upgrade queue of client programs (B28-B31, B89, B100-B113), below `/api/fleet`. Administrators only, unless said otherwise. */
import { z } from 'zod';
import { clientMode, upgradeFailure } from '../client-program.ts';
import { losses, plannedChange } from '../losses.ts';
import { byteCount, id, instantMs, line } from '../text.ts';

/** Shown as Current, Upgrade pending, Waiting for a session, Downloading, Restarting, Failed, Rolled back (B108). `unsupported`: it cannot upgrade itself. */
export const upgradeState = z.enum([
  'current',
  'pending',
  'waiting-for-session',
  'downloading',
  'restarting',
  'failed',
  'rolled-back',
  'unsupported',
  /** Newer than this site: installed ahead (B97), or the site went back. */
  'ahead',
]);
export type UpgradeState = z.infer<typeof upgradeState>;

export const RINGS_MAX = 5;
export const upgradeRing = z.object({
  name: line(40),
  /** Clients of these Jump Groups are in it; the first ring that fits counts. */
  groupIds: z.array(id('jumpGroup')).max(100),
  /** And this share of the clients that no ring took by group, chosen by their ids. The last ring takes all that is left. */
  percent: z.number().int().min(0).max(100),
  /** After the ring before it is done (or its time is over): wait so long before this one opens. */
  waitMinutes: z
    .number()
    .int()
    .min(0)
    .max(30 * 24 * 60),
});

/** GET/PUT fleet/settings */
export const fleetSettings = z.object({
  /** `on`: every site upgrade opens the queue. `cycle`: for the version in force only. `off`: never by itself. */
  upgrades: z.enum(['off', 'cycle', 'on']),
  /** B30 */
  maxConcurrent: z.number().int().min(1).max(10_000),
  /** B31: of all downloads together; null for no limit. */
  maxBytesPerSecond: z.number().int().min(10_000).max(10_000_000_000).nullable(),
  /** How many may be told to begin (and so come back) per second. */
  maxStartsPerSecond: z.number().int().min(1).max(1000),
  rings: z.array(upgradeRing).min(1).max(RINGS_MAX),
  /** The ring halts when more than this share of those that it has begun with failed, were rolled back or are silent ... */
  haltPercent: z.number().int().min(1).max(100),
  /** ... but not before so many did. */
  haltMinimum: z.number().int().min(1).max(100),
  /** A ring is waited for no longer than this for clients that are away. */
  ringPatienceHours: z
    .number()
    .int()
    .min(1)
    .max(24 * 30),
  healthSeconds: z.number().int().min(10).max(3600),
  /** Behaviour, section 0: whether people may jump to a client that is older than the site, if its protocol is supported (B109). */
  jumpToOlder: z.enum(['supported', 'current-only']),
  /** B104-B107: what new installers begin with, and what plain installer tokens and downloads without a key install. */
  defaultMode: clientMode,
  checkInHours: z.number().int().min(1).max(168),
  /** A client that was silent so long is shown as offline. */
  offlineAfterSeconds: z.number().int().min(30).max(600),
  /** The clocks of machines are wrong: see docs/operator/clients.md. */
  toleratesDates: z.boolean(),
  /** Whether consoles take a web certificate that has a fault when the site identity vouches for it. */
  consoleTls: z.enum(['refuse', 'site-identity']),
});
export type FleetSettings = z.infer<typeof fleetSettings>;

export const rolloutState = z.enum([
  /** The site's watch period has not committed. */
  'waiting-for-commit',
  /** Switched off in the settings. */
  'off',
  'running',
  'paused',
  'halted',
  'done',
]);
export const rolloutCounts = z.object({
  total: z.number().int(),
  current: z.number().int(),
  pending: z.number().int(),
  /** Of the pending: not connected now. */
  absent: z.number().int(),
  waitingForSession: z.number().int(),
  downloading: z.number().int(),
  restarting: z.number().int(),
  failed: z.number().int(),
  rolledBack: z.number().int(),
  unsupported: z.number().int(),
});
/** GET fleet/rollout */
export const rollout = z.object({
  state: rolloutState,
  version: z.string(),
  revision: z.string(),
  /** In the words of `fleet.halt.<code>`: why it halted. */
  halt: z
    .object({
      code: z.enum(['failures', 'silence', 'by-hand', 'no-signed-programs']),
      ring: z.string(),
      text: z.string(),
      /** Of `begun` that the ring had begun with, so many failed, were rolled back or are silent: `percent` of them, rounded. */
      failed: z.number().int().default(0),
      begun: z.number().int().default(0),
      percent: z.number().int().default(0),
      atMs: instantMs,
    })
    .nullable(),
  startedAtMs: instantMs.nullable(),
  endedAtMs: instantMs.nullable(),
  counts: rolloutCounts,
  rings: z.array(
    z.object({
      name: z.string(),
      state: z.enum(['waiting', 'open', 'done', 'halted']),
      opensAtMs: instantMs.nullable(),
      counts: rolloutCounts,
    }),
  ),
  /** Over the last ten seconds. */
  bytesPerSecond: z.number(),
  upgradesPerMinute: z.number(),
  bytesSent: byteCount,
  /** null: cannot be told (paused, or all that is left is away). */
  secondsLeft: z.number().nullable(),
  /** What one client fetches. */
  bytesPerClient: byteCount,
  /** At most 240 points since the start: how many were current, and bytes a second. */
  chart: z
    .array(z.object({ atMs: instantMs, current: z.number().int(), failed: z.number().int(), bytesPerSecond: z.number() }))
    .max(240),
  nowMs: instantMs,
});
export type Rollout = z.infer<typeof rollout>;
/** POST fleet/rollout/pause | resume (also after a halt: goes on with the ring) | start (in state off: for this cycle). */
export const resumeRolloutBody = z.object({ retryFailed: z.boolean() });

export const fleetClient = z.object({
  id: id('jumpClient'),
  name: z.string(),
  groupName: z.string().nullable(),
  program: z.enum(['jump-client', 'jumpoint']),
  version: z.string(),
  revision: z.string(),
  state: upgradeState,
  ring: z.string(),
  /** Position in the queue from 1; null when it is not waiting. */
  place: z.number().int().nullable(),
  failure: upgradeFailure.nullable(),
  reason: z.string().nullable(),
  attempts: z.number().int(),
  nextTryAtMs: instantMs.nullable(),
  /** When the client proved itself in this version; null for clients that were installed in it. */
  upgradedAtMs: instantMs.nullable(),
  online: z.boolean(),
  sinceMs: instantMs.nullable(),
});
export type FleetClient = z.infer<typeof fleetClient>;
/** GET fleet/clients */
export const fleetClientsQuery = z.object({
  text: z.string().max(100).default(''),
  state: upgradeState.optional(),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  /** `queue`: those under way or failed, then those that wait by their place, then the rest by name. `name`: for whoever reads all pages, since it keeps still. */
  order: z.enum(['queue', 'name']).default('queue'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export const fleetClients = z.object({ total: z.number().int(), clients: z.array(fleetClient) });
/** POST fleet/clients/:id/front (whoever may jump to it, B110) | retry. GET fleet/clients/:id (whoever may jump to it). */

/** GET fleet/export?format=csv|json (B113): every client. GET fleet/proof: the signed proof report, as a file. */
export const fleetExportQuery = z.object({ format: z.enum(['csv', 'json']) });
export const fleetProof = z.object({
  format: z.literal('bascule-fleet-proof/1'),
  /** The exact text that is signed: JSON, `fleetProofText`. */
  text: z.string(),
  /** ECDSA with SHA-256 by the site identity over `bascule-fleet-proof/1`, a line feed and the text; DER, base64. */
  signature: z.string(),
  /** PEM of the site identity. */
  certificate: z.string(),
});
export const fleetProofText = z.object({
  site: z.string(),
  appliance: z.string(),
  version: z.string(),
  revision: z.string(),
  siteUpgradedAtMs: instantMs,
  madeAtMs: instantMs,
  /** Every client is current, and was so after the site's upgrade. */
  isComplete: z.boolean(),
  counts: rolloutCounts,
  clients: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      version: z.string(),
      state: upgradeState,
      /** When it was last seen running that version; null: never in this version. */
      provedAtMs: instantMs.nullable(),
    }),
  ),
});

/** POST fleet/losses {change}: 'who would I lose?' */
export const lossesBody = z.object({ change: plannedChange });
export { losses };

/** POST fleet/uninstall {clientIds}: bulk uninstall with a list for redeployment (B89); the answer is that list. */
export const uninstallBody = z.object({ clientIds: z.array(id('jumpClient')).min(1).max(10_000) });
export const uninstalled = z.object({
  clients: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      hostName: z.string(),
      groupName: z.string().nullable(),
      state: z.enum(['told', 'will-be-told', 'cannot']),
    }),
  ),
});
/** POST fleet/identity/rotate: a new site identity, cross-signed by the one in force. GET fleet/identity. */
export const identityState = z.object({
  fingerprintSha256: z.string(),
  sinceMs: instantMs,
  expiresAtMs: instantMs,
  /** How many clients still trust one before it. */
  behind: z.number().int(),
  former: z.array(z.object({ fingerprintSha256: z.string(), sinceMs: instantMs, endedAtMs: instantMs })),
  /** The database is older than what clients bear: revocations made after `sinceMs` may be missing. */
  restored: z.object({ sinceMs: instantMs, clients: z.number().int() }).nullable(),
});
