/**
 * base ⇄ the program of the site's software that reads backups (apps/site/src/restore-main.ts), IPC of child_process: one order, progress, one answer. base opens no
 * file of the site; the password of a backup goes this way alone, never in arguments or environment.
 */
import { z } from 'zod';
import { BOX_SETTINGS_MAX_BYTES } from './api/box-settings.ts';
import { restoreNames as names, restorePart } from './api/restore.ts';
import { byteCount, id, instantMs } from './text.ts';

const path = z.string().min(1).max(4096);
const password = z.string().min(1).max(1000).optional();
const epochPlace = z.object({ history: z.string().max(64), epoch: z.number().int().nonnegative() });
/** What a file is: `mark` changes when it is replaced or written to. What was looked into is compared with what is unpacked. */
const unpackedFile = { id: id('backup'), madeAtMs: instantMs, mark: z.string().max(200) };

/** What is done, in this order, each by a program of its own; harmless when done again. */
export const restoreOrder = z.discriminatedUnion('kind', [
  /** Looks into `file`; what it needs of it goes into the folder `scratch`, which base removes. Nothing of `siteDir` is changed. */
  z.object({ kind: z.literal('inspect'), file: path, password, siteDir: path, scratch: path }),
  /** Reads `file` to its end and lays the site that is in it into the new folder `target`. */
  z.object({ kind: z.literal('unpack'), file: path, password, siteDir: path, target: path }),
  /** Reads the database in `folder` through, and takes out of it what describes the appliance that it came from. */
  z.object({ kind: z.literal('check'), folder: path }),
  /** Makes of what `folder` holds a site of this appliance, with a new history above `known`; adds what it lacks and `siteDir` has. */
  z.object({
    kind: z.literal('keep'),
    folder: path,
    siteDir: path,
    /** Of a backup; false: a state that lay in the archive, with its own keys. */
    isBackup: z.boolean(),
    appliance: z.string().max(200),
    by: z.string().max(200),
    /** In words, for the audit of the site. */
    source: z.string().max(300),
    known: epochPlace.nullable(),
  }),
  /** After the site has ended: adds what was recorded since `keep`. */
  z.object({ kind: z.literal('keep-late'), folder: path, siteDir: path, contents: z.array(z.enum(['recordings', 'files'])) }),
]);
export type RestoreOrder = z.infer<typeof restoreOrder>;

/** What was valid in a backup and is ended by restoring it, for it was ended since, or nobody can say whether it was. */
export const endedRights = z.object({
  /** By the word of the site in place; false: it is another one, or there is none, and all tokens end. */
  isSameSite: z.boolean(),
  clients: names,
  accounts: names,
  apiTokens: names,
  installerTokens: names,
  /** Disabled here, and yet not in what is restored: else nobody could log in. */
  administratorsLeft: names,
});
export type EndedRights = z.infer<typeof endedRights>;

/** Answer to `unpack`. */
export const unpacked = z.object(unpackedFile);
export type Unpacked = z.infer<typeof unpacked>;

/** Answer to `inspect`. It comes out of a file of anybody, and base keeps it in memory: everything has a length. */
export const inspected = z.object({
  ...unpackedFile,
  appliance: z.string().max(200),
  siteVersion: z.string().max(64),
  basePackage: z.string().max(200).nullable(),
  history: z.string().max(64),
  epoch: z.number().int().nonnegative(),
  schema: z.number().int().nonnegative(),
  hasPassword: z.boolean(),
  parts: z
    .array(
      z.object({
        part: restorePart,
        isIncluded: z.boolean(),
        bytes: byteCount,
        count: z.number().int().nonnegative(),
        outcome: z.enum(['replaced', 'united', 'kept', 'made-anew', 'absent', 'optional']),
      }),
    )
    .max(20),
  unpackedBytes: byteCount,
  migrations: z.array(z.string().max(200)).max(1000),
  isSameSite: z.boolean(),
  replaced: z
    .object({
      users: z.number().int(),
      clients: z.number().int(),
      sessions: z.number().int(),
      newestChangeAtMs: instantMs.nullable(),
    })
    .nullable(),
  contents: z.object({ users: z.number().int(), clients: z.number().int(), sessions: z.number().int() }),
  lostClients: names,
  loginAdministrators: names,
  loginUsers: z.number().int(),
  vaultKey: z.object({ state: z.enum(['here', 'missing', 'not-needed']), secrets: z.number().int().nonnegative() }),
  /** JSON, as base exported it. */
  boxSettings: z.string().max(BOX_SETTINGS_MAX_BYTES).nullable(),
  /** Earlier software does not say. */
  ended: endedRights.optional(),
  /** Of the site in place. */
  pair: z.object({ role: z.enum(['single', 'primary', 'backup', 'read-only']), peer: z.string().max(300) }).nullable(),
});
export type Inspected = z.infer<typeof inspected>;

/** Answer to `keep`. */
export const kept = z.object({
  history: z.string().max(64),
  epoch: z.number().int().positive(),
  lostClients: names,
  keysFrom: z.enum(['backup', 'here', 'new']),
  /** What takes the place of what is here, beside database and keys. */
  contents: z.array(z.enum(['recordings', 'files'])),
  recordings: z.number().int().nonnegative(),
  files: z.number().int().nonnegative(),
  ended: endedRights.optional(),
});
export type Kept = z.infer<typeof kept>;

export const fromRestoreProgram = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), done: byteCount, total: byteCount.nullable() }),
  z.object({ kind: z.literal('done'), result: z.unknown() }),
  z.object({
    kind: z.literal('failed'),
    code: z.string().max(60),
    message: z.string().max(1000),
    params: z.record(z.string().max(60), z.union([z.string().max(1000), z.number()])).optional(),
  }),
]);
export type FromRestoreProgram = z.infer<typeof fromRestoreProgram>;
