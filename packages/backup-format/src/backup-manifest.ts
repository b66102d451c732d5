/** What stands first in every backup: where it is from, what is in it and what is not (docs/spec/backup-format.md). */
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { backupLeftOut, backupPart } from '@bascule/protocol/api/backup.ts';
import { byteCount, id, instantMs } from '@bascule/protocol/text.ts';

/** The only product whose backups these are; the first thing that is looked at. */
export const BACKUP_PRODUCT = 'bascule';
export const BACKUP_FORMAT = 'bascule-backup/1';
/** A manifest is one JSON document of a few kilobytes. */
export const MANIFEST_LIMIT_BYTES = 256 * 1024;
/** So many migrations are named in a manifest. */
const MIGRATIONS_LIMIT = 1000;

export const backupManifest = z.object({
  product: z.literal(BACKUP_PRODUCT),
  format: z.literal(BACKUP_FORMAT),
  id: id('backup'),
  /** No more than a date can be. */
  madeAtMs: instantMs.max(8_640_000_000_000_000),
  /** The appliance by name, and the name by which people reach the site. */
  appliance: z.string().max(200),
  publicHost: z.string().max(255),
  siteVersion: z.string().max(64),
  /** The installed package of base, when the site knows it. */
  basePackage: z.string().max(200).nullable(),
  /** The highest migration in site.db, and all that were applied: what a restore compares with what its software knows. */
  schema: z.number().int().nonnegative(),
  migrations: z.array(z.number().int()).max(MIGRATIONS_LIMIT),
  /** Of the change log in site.db: whose history it goes on, and how far. */
  history: z.string().max(64),
  epoch: z.number().int().nonnegative(),
  seq: z.number().int().nonnegative(),
  /** SHA-256 of the site identity's certificate (DER), hex: an identity that fits must be there before agents follow. */
  identitySha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  /** SHA-256 of each vault key that something in site.db is wrapped with, as hex: which key the restored site will ask for. */
  vaultKeys: z.array(z.string().max(100)).max(1000),
  /** With a password: `false` means that identity and private keys are not in it. */
  isEncrypted: z.boolean(),
  includes: z.object({ history: z.boolean(), files: z.boolean(), recordings: z.boolean(), boxSettings: z.boolean() }),
  /** What follows, exactly: no more members and bytes than this are read. Recordings that vanish while it is made are fewer. */
  parts: z.array(z.object({ part: backupPart, members: z.number().int().nonnegative(), bytes: byteCount })).max(10),
  leftOut: z.array(backupLeftOut).max(20),
});
export type BackupManifest = z.infer<typeof backupManifest>;

/** The first segment of a member's path, by part; `state` is the one file site.db. */
export const PART_PATHS = {
  state: 'site.db',
  identity: 'keys/',
  'box-settings': 'box/',
  files: 'files/',
  recordings: 'recordings/',
} as const;

/** All that makes the site identity, and the only keys that are ever in a backup: only in one with a password. The vault key (site.key, its ring) and the appliance's pair keys never are (B188, B195). */
export const IDENTITY_FILES = ['identity-history.json', 'identity-next.json', 'identity.crt', 'identity.key'] as const;
export const BOX_SETTINGS_PATH = `${PART_PATHS['box-settings']}settings.json`;

/** Bytes of all parts together, unpacked. */
export function unpackedBytes(manifest: BackupManifest): number {
  return manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Reads a manifest. Throws `BACKUP_FOREIGN` (not of this product), `BACKUP_NEWER` (a format that this software does not know, named) and `BACKUP_DAMAGED`.
 */
export function parseManifest(text: string): BackupManifest {
  const known = headOf(text);
  if (known?.product !== BACKUP_PRODUCT)
    throw new AppError('invalid', 'BACKUP_FOREIGN', 'This file is not a backup of Bascule. Choose the file that Bascule made.');
  if (known.format !== BACKUP_FORMAT)
    throw new AppError(
      'invalid',
      'BACKUP_NEWER',
      `The backup has the format '${known.format}'${known.siteVersion === undefined ? '' : `, of site version ${known.siteVersion}`}; this software reads '${BACKUP_FORMAT}'. Update this appliance first, then restore.`,
      { params: { format: known.format, version: known.siteVersion ?? '' } },
    );
  const parsed = backupManifest.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new AppError('invalid', 'BACKUP_DAMAGED', 'The list of contents of the backup is damaged. Use another backup.', {
    cause: parsed.error,
  });
}

/** Refuses a backup whose database is newer than what `knownMigrations` of this software can read. Throws `BACKUP_NEWER`, with the version. */
export function refuseNewerSchema(manifest: BackupManifest, knownMigrations: readonly number[]): void {
  const known = new Set(knownMigrations);
  const unknown = manifest.migrations.find((migration) => !known.has(migration));
  if (unknown === undefined) return;
  throw new AppError(
    'invalid',
    'BACKUP_NEWER',
    `The backup was made by site version ${manifest.siteVersion}, which is newer than this software (migration ${unknown}). Update this appliance to ${manifest.siteVersion} or newer first, then restore.`,
    { params: { version: manifest.siteVersion, format: manifest.format } },
  );
}

function headOf(text: string): { product: string; format: string; siteVersion: string | undefined } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const head = z
    .object({ product: z.string(), format: z.string().max(64), siteVersion: z.string().max(64).optional().catch(undefined) })
    .safeParse(value);
  return head.success ? { ...head.data, siteVersion: head.data.siteVersion } : undefined;
}
