/** What client programs are, and what they say and are told about their own software (architecture 7; docs/spec/client-supervisor.md). */
import { z } from 'zod';
import { byteCount, id, instantMs, reported, sha256Hex } from './text.ts';
import { packageVersion } from './package-manifest.ts';

export const CLIENT_PROGRAMS = ['jump-client', 'jumpoint', 'console'] as const;
export const clientProgram = z.enum(CLIENT_PROGRAMS);
export type ClientProgram = z.infer<typeof clientProgram>;

export const CLIENT_PLATFORMS = ['linux-x64', 'win32-x64'] as const;
export const clientPlatform = z.enum(CLIENT_PLATFORMS);
export type ClientPlatform = z.infer<typeof clientPlatform>;

/** The TUF target of a bundle: `client/jump-client-0.2.0.tar.zst` (linux-x64), `client/jump-client-win32-x64-0.2.0.tar.zst`. */
export function clientTarget(program: ClientProgram, platform: ClientPlatform, version: string): string {
  return `client/${program}${platform === 'linux-x64' ? '' : `-${platform}`}-${version}.tar.zst`;
}

/** `bascule-client.json` in the root of every bundle. Only additions are allowed. */
export const clientBundleAbout = z.object({
  format: z.literal('bascule-client/1'),
  program: clientProgram,
  version: packageVersion,
  /** The commit it was built from (B108). */
  revision: z.string().regex(/^[0-9a-z]{1,40}$/),
  platform: clientPlatform.default('linux-x64'),
});
export type ClientBundleAbout = z.infer<typeof clientBundleAbout>;

/** Active clients keep the link; passive ones check in (B104-B107). */
export const clientMode = z.enum(['active', 'passive']);
export type ClientMode = z.infer<typeof clientMode>;

/** In `hello`: which software the client is. Absent of clients older than 0.2.0. Nothing here is believed without the order it fits to. */
export const clientSoftware = z.object({
  program: clientProgram,
  version: reported(64),
  revision: reported(40),
  platform: reported(32),
  mode: clientMode,
  /** SHA-256 of the bundle's archive; null when it runs from a checkout. */
  bundle: sha256Hex.nullable(),
  /** SHA-256 of the runtime's signed archive, when it is known. */
  runtime: sha256Hex.nullable(),
  /** It lies in slots under a supervisor: it can upgrade itself. */
  upgradable: z.boolean(),
  /** This start is a trial of a new bundle: not upgraded until `upgrade-status` says `done`. */
  trial: z.boolean(),
  /** The address it dials, for 'who would I lose?'. */
  dials: z.object({ host: reported(255), port: z.number().int().min(1).max(65535), proxy: z.boolean() }),
  /** Free where its bundles lie. */
  freeBytes: byteCount.nullable(),
  /** SHA-256 of the site identity's certificate that it trusts. */
  authority: sha256Hex,
});
export type ClientSoftware = z.infer<typeof clientSoftware>;

/** Why an upgrade of a client did not succeed: fixed words, translated as `fleet.reason.<code>`. */
export const UPGRADE_FAILURES = [
  'download-cut',
  'wrong-bytes',
  'signature',
  'disk-full',
  'unpack',
  'does-not-start',
  'does-not-connect',
  'no-shell',
  'not-healthy-in-time',
  'silent',
  'refused',
  'other',
] as const;
export const upgradeFailure = z.enum(UPGRADE_FAILURES);
export type UpgradeFailure = z.infer<typeof upgradeFailure>;

/** What the client does with an order. `done`, `failed` and `rolled-back` are outcomes, repeated in every `hello` until `upgrade-noted`. */
export const upgradeReport = z.object({
  order: id('clientUpgrade'),
  state: z.enum(['waiting-for-session', 'downloading', 'verifying', 'restarting', 'done', 'failed', 'rolled-back']),
  version: reported(64),
  receivedBytes: byteCount.optional(),
  failure: upgradeFailure.optional(),
  /** A sentence for a person: the last words of the program that failed, for example. */
  reason: reported(500).optional(),
  atMs: instantMs,
});
export type UpgradeReport = z.infer<typeof upgradeReport>;

/** One file to fetch over the client's own mutual TLS: `GET /parcels/<sha256>` with ALPN bascule-link/1, `Range` allowed. */
export const parcel = z.object({ sha256: sha256Hex, bytes: byteCount });
export type Parcel = z.infer<typeof parcel>;

/**
 * An order to upgrade. The parcel is a `.bascule-update` file (package-format 5) with metadata and the target; the client verifies both with TUF and takes
 * nothing but `target` with `sha256`. Idempotent by `order`.
 */
export const upgradeOrder = z.object({
  order: id('clientUpgrade'),
  version: packageVersion,
  revision: z.string().max(40),
  target: z.string().max(200),
  sha256: sha256Hex,
  parcel,
  /** Only when its runtime differs. */
  runtime: z.object({ target: z.string().max(200), sha256: sha256Hex, parcel }).nullable(),
  /** The trusted root (base64), for a client that has none yet: what the site it is enrolled with vouches for. */
  root: z.string().max(40_000).nullable(),
  /** How long the new program has to prove itself, from its start. */
  healthSeconds: z.number().int().min(10).max(3600),
});
export type UpgradeOrder = z.infer<typeof upgradeOrder>;

/** What the site sets on a client; sent with `accepted` and when it changes. */
export const clientSettings = z.object({
  mode: clientMode,
  /** Passive clients check in at least this often (B107). */
  checkInHours: z.number().int().min(1).max(168),
  /** Whether a link certificate of the trusted site identity is taken although its dates do not fit this machine's clock. */
  toleratesDates: z.boolean(),
  /** Where the site may be, the shared name first: tried in turn until one takes the client. Absent: where it dials now. */
  addresses: z
    .array(z.object({ host: reported(255), port: z.number().int().min(1).max(65_535) }))
    .max(4)
    .optional(),
  /** With several addresses: the site says something at least this often on this link. Absent: it promises nothing. Not kept. */
  beatMs: z.number().int().min(1000).max(60_000).optional(),
});
export type ClientSettings = z.infer<typeof clientSettings>;
