/** What site main tells the program that makes and checks backups, and what it says (IPC of child_process). Both are of one version of the site. */
import { z } from 'zod';
import { backupManifest } from '@bascule/backup-format/backup-manifest.ts';
import { backupInclude, backupLeftOut, backupPart, hostKeyFingerprint } from '@bascule/protocol/api/backup.ts';
import type { SiteStart } from '@bascule/protocol/base-site.ts';
import { byteCount, id, sha256Hex } from '@bascule/protocol/text.ts';

/** As `fileNameOf` makes them, and no other: names come out of site.db too, which may be a restored or a replicated one, and lead to what is read, handed out and removed. */
export const backupFileName = z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{12}\.bascule-backup(\.age)?$/);

/** A place with what opens it: never in the environment, in arguments or in a log. */
export const openPlace = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('folder'), path: z.string() }),
  z.object({
    kind: z.literal('sftp'),
    host: z.string(),
    port: z.number().int(),
    account: z.string(),
    path: z.string(),
    hostKey: hostKeyFingerprint,
    secret: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('password'), password: z.string() }),
      z.object({ kind: z.literal('private-key'), privateKey: z.string(), passphrase: z.string().optional() }),
    ]),
  }),
]);
export type OpenPlace = z.infer<typeof openPlace>;

const checking = {
  id: id('backup'),
  place: openPlace,
  fileName: backupFileName,
  password: z.string().optional(),
  /** Scratch: removed by whoever gave the order. */
  workDir: z.string(),
  /** How the trial is started; its folders are set by the program. Main's own, which the trial checks itself: its schema takes 20 MB that a backup has no use for. */
  trial: z.custom<SiteStart>((value) => typeof value === 'object' && value !== null),
};

export const backupOrder = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('make'),
    ...checking,
    database: z.string(),
    keysDir: z.string(),
    fileStoreDir: z.string(),
    recordingsDir: z.string(),
    include: backupInclude,
    /** JSON of base, if there is any. */
    boxSettings: z.string().optional(),
    /** What main knows of it; the program adds what it finds. */
    manifest: backupManifest.pick({
      appliance: true,
      publicHost: true,
      siteVersion: true,
      basePackage: true,
      history: true,
      identitySha256: true,
      vaultKeys: true,
    }),
    madeAtMs: z.number(),
    leftOut: z.array(backupLeftOut),
    /** Parts of files that earlier attempts of this appliance left there. */
    staleNames: z.array(backupFileName).max(100),
  }),
  z.object({ kind: z.literal('check'), ...checking, sha256: sha256Hex.nullable() }),
  /** How much each checkbox would add. */
  z.object({ kind: z.literal('measure'), database: z.string(), fileStoreDir: z.string(), recordingsDir: z.string() }),
]);
export type BackupOrder = z.infer<typeof backupOrder>;
export type MakeOrder = Extract<BackupOrder, { kind: 'make' }>;
export type CheckOrder = Extract<BackupOrder, { kind: 'check' }>;

const folder = z.object({ bytes: byteCount, count: z.number().int() });
export const backupWord = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('progress'),
    phase: z.enum(['copying-state', 'writing', 'reading-back', 'restoring-on-trial']),
    done: byteCount,
    total: byteCount.nullable(),
  }),
  /** It lies at its place under its name. */
  z.object({
    kind: z.literal('written'),
    bytes: byteCount,
    sha256: sha256Hex,
    seq: z.number().int(),
    auditSequence: z.number().int(),
    parts: z.array(z.object({ part: backupPart, members: z.number().int(), bytes: byteCount })),
  }),
  /** It was read back and a site has worked on it. `bytes` and `sha256` are those that were read. */
  z.object({ kind: z.literal('restorable'), ms: z.number() }),
  z.object({ kind: z.literal('measured'), history: byteCount, whole: byteCount, files: folder, recordings: folder }),
  z.object({ kind: z.literal('failed'), code: z.string().max(100), message: z.string().max(1000) }),
]);
export type BackupWord = z.infer<typeof backupWord>;

/** Steps of the program at which tests end it (docs/how-to/fault-points.md). */
export const BACKUP_STEPS = [
  'begun',
  'state-copied',
  'writing',
  'half-written',
  'written',
  'named',
  'reading-back',
  'unpacked',
  'tried',
] as const;
export type BackupStep = (typeof BACKUP_STEPS)[number];
/** The variable that names one of them. */
export const BACKUP_FAULT = 'BASCULE_BACKUP_FAULT';
