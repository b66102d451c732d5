/**
 * Box interface, below `/appliance/api/restore`: a backup is uploaded, looked into, and put in the place of the site of this appliance (B192, B194, B204). All
 * actions are box administrators' only. It works when the site cannot start at all.
 */
import { z } from 'zod';
import { byteCount, instantMs, line, sha256Hex } from '../text.ts';

/** Steps of a restore in their order (docs/decisions/0290). An undo has those from `keep` on. */
export const RESTORE_STEPS = [
  /** The file is read through to its end, and what is in it laid into a scratch folder. */
  'unpack',
  /** The database is read through, and what describes the appliance it came from is taken out. */
  'check',
  /** What the backup lacks and this appliance has is added; a new history is signed, and its first entry written. */
  'keep',
  /** The installed site software opens it, migrates it and builds everything on it. */
  'trial',
  /** The site ends; requests are held. From here on Cancel is not possible. */
  'freeze',
  /** By renames: what was here goes to the archive, what was restored takes its place. */
  'swap',
  /** The site starts, and says that it works. */
  'start',
  /** The box's own settings, when they were asked for. */
  'settings',
  'report',
] as const;
export const restoreStep = z.enum(RESTORE_STEPS);
export type RestoreStep = z.infer<typeof restoreStep>;

/** From this step on a restore cannot be cancelled: what goes wrong is taken back. */
export const RESTORE_POINT_OF_NO_RETURN: RestoreStep = 'freeze';

/** What a backup may hold, and an appliance have. */
export const RESTORE_PARTS = ['configuration', 'history', 'site-identity', 'files', 'recordings', 'box-settings'] as const;
export const restorePart = z.enum(RESTORE_PARTS);
export type RestorePart = z.infer<typeof restorePart>;

/** Why something is so, for a person: a permanent code that the pages translate, and one English sentence. */
export const restoreRemark = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]*$/),
  message: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
});
export type RestoreRemark = z.infer<typeof restoreRemark>;

/** At most so many names of clients or accounts are listed; the number is of all. */
export const RESTORE_NAMES_MAX = 200;
/** Longer ones are cut: they may be those of a backup that somebody made up. */
export const RESTORE_NAME_MAX_LENGTH = 300;
export const restoreNames = z.object({
  count: z.number().int().nonnegative(),
  names: z.array(z.string().max(RESTORE_NAME_MAX_LENGTH)).max(RESTORE_NAMES_MAX),
});
export type RestoreNames = z.infer<typeof restoreNames>;

/** Lines of settings of the box that are shown before a restore, and the length of one. What does not fit is said, and then the settings are not applied with a restore at all. */
export const RESTORE_LINES_MAX = 200;
export const RESTORE_LINE_MAX_LENGTH = 4000;

/** What was found in a backup, and what restoring it would mean here. Nothing was changed. */
export const restorePreview = z.object({
  /** From where, which version and when. */
  appliance: z.string(),
  siteVersion: z.string(),
  baseVersion: z.string(),
  madeAtMs: instantMs,
  history: z.string(),
  epoch: z.number().int().nonnegative(),
  schema: z.number().int(),
  hasPassword: z.boolean(),
  parts: z.array(
    z.object({
      part: restorePart,
      isIncluded: z.boolean(),
      bytes: byteCount,
      /** Files, recordings. */
      count: z.number().int().nonnegative(),
      /** What becomes of it: taken from the backup, added to what is here, kept as it is here, made anew, or not there at all. */
      outcome: z.enum(['replaced', 'united', 'kept', 'made-anew', 'absent', 'optional']),
    }),
  ),
  unpackedBytes: byteCount,
  /** Migrations that the installed software would apply, by name; empty: the same version. */
  migrations: z.array(z.string()).max(1000),
  /** Whether what is in place belongs to the same site (the same identity): then its keys, recordings and files stay. */
  isSameSite: z.boolean(),
  /** The site that is in place now; null: there is none yet, or it cannot be read. */
  replaced: z
    .object({
      users: z.number().int(),
      clients: z.number().int(),
      sessions: z.number().int(),
      newestChangeAtMs: instantMs.nullable(),
    })
    .nullable(),
  contents: z.object({ users: z.number().int(), clients: z.number().int(), sessions: z.number().int() }),
  /** Jump Clients that cannot come back, for their site identity is neither in the backup nor here. */
  lostClients: restoreNames,
  /** Who may log in to /login afterwards (users of the backup); administrators among them by name. Those of /appliance are this appliance's own, as before. */
  loginAdministrators: restoreNames,
  loginUsers: z.number().int(),
  applianceAdministrators: z.array(z.string()).max(RESTORE_NAMES_MAX),
  vaultKey: z.object({
    /** `here`: the key in place opens what the backup holds. `missing`: it may be added later under Management > Vault Key. `not-needed`: nothing is wrapped. */
    state: z.enum(['here', 'missing', 'not-needed']),
    /** Secrets that nobody could read without the key of the appliance that made the backup. */
    secrets: z.number().int().nonnegative(),
  }),
  /** What the box settings would change, in words; empty when none are in it. */
  boxSettings: z.array(z.string().max(RESTORE_LINE_MAX_LENGTH)).max(RESTORE_LINES_MAX),
  pair: z.object({ role: z.enum(['primary', 'read-only', 'backup']), peer: z.string() }).nullable(),
  /** What is missing, or will be other than before. */
  remarks: z.array(restoreRemark).max(50),
});
export type RestorePreview = z.infer<typeof restorePreview>;

export const restoreProgress = z.object({
  done: z.number(),
  total: z.number().nullable(),
  unit: z.enum(['bytes', 'clients', 'seconds']),
});
export type RestoreProgress = z.infer<typeof restoreProgress>;

/** The look into one upload; the page polls it. */
export const restoreInspection = z.object({
  upload: z.string(),
  name: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  progress: restoreProgress.nullable(),
  preview: restorePreview.nullable(),
  error: restoreRemark.nullable(),
});
export type RestoreInspection = z.infer<typeof restoreInspection>;

/** Afterwards: who is back, and what is not. Counted anew until everybody is back, or somebody has closed it. */
export const restoreReport = z.object({
  clients: z.object({ total: z.number().int(), back: z.number().int() }),
  missingClients: restoreNames,
  lostClients: restoreNames,
  /** In words, of the site; empty: all can be read. null: not known yet. */
  unreadableSecrets: z.array(z.string().max(300)).max(RESTORE_NAMES_MAX).nullable(),
  boxSettings: z.object({
    applied: z.array(z.string().max(RESTORE_LINE_MAX_LENGTH)).max(RESTORE_LINES_MAX),
    failed: z.array(z.string().max(500)).max(200),
  }),
  /** What was valid in the backup and was not brought back. */
  ended: z.array(restoreRemark).max(10).default([]),
  /** Of the site's front door, for which requests were held. */
  unavailableMs: z.number().int().nonnegative().nullable(),
  history: z.string(),
  epoch: z.number().int().nonnegative(),
});
export type RestoreReport = z.infer<typeof restoreReport>;

export const restoration = z.object({
  id: z.string(),
  operation: z.enum(['restore', 'undo']),
  /** What is restored: the name of the file, and of whom and when it is. */
  source: z.object({ name: z.string(), appliance: z.string(), siteVersion: z.string(), madeAtMs: instantMs }),
  startedBy: z.string(),
  startedAtMs: instantMs,
  endedAtMs: instantMs.nullable(),
  /** `taken-back`: it failed after `freeze`, and what was there before is in place again. `failed`, `cancelled`: nothing was changed. */
  outcome: z.enum(['running', 'restored', 'taken-back', 'failed', 'cancelled']),
  step: restoreStep,
  steps: z.array(
    z.object({
      step: restoreStep,
      state: z.enum(['waiting', 'running', 'done', 'failed', 'skipped', 'undone']),
      startedAtMs: instantMs.nullable(),
      endedAtMs: instantMs.nullable(),
    }),
  ),
  progress: restoreProgress.nullable(),
  mayCancel: z.boolean(),
  cause: restoreRemark.nullable(),
  report: restoreReport.nullable(),
  /** The state before lies in the archive: it can be put back. */
  mayUndo: z.boolean(),
  acknowledgedBy: z.string().nullable(),
});
export type Restoration = z.infer<typeof restoration>;

/** GET restore/state: all that the page shows; polled. */
export const restoreState = z.object({
  nowMs: instantMs,
  applianceName: z.string(),
  siteVersion: z.string(),
  /** Whether the site works now; a restore does not need it. */
  siteReady: z.boolean(),
  /** Why no restore can begin now; empty: it can. */
  blocked: z.array(restoreRemark).max(10),
  uploads: z.array(z.object({ id: z.string(), name: z.string(), receivedBytes: byteCount, totalBytes: byteCount })),
  inspection: restoreInspection.nullable(),
  running: restoration.nullable(),
  /** The newest that has ended, and that nobody has closed. */
  last: restoration.nullable(),
});
export type RestoreState = z.infer<typeof restoreState>;

// GET    restore/state                    → restoreState
// GET    restore/log?id=                  → text/plain
// POST   restore/uploads                  ← startRestoreUpload → { id, receivedBytes }
// PUT    restore/uploads/:id?from=OFFSET  ← raw bytes (application/octet-stream) → { id, receivedBytes }
// DELETE restore/uploads/:id
// POST   restore/inspect                  ← inspectBackup → ok (202; the page polls `state.inspection`)
// POST   restore/start                    ← startRestore → { id }
// POST   restore/cancel                   ← { id }
// POST   restore/undo                     ← undoRestore → { id }
// POST   restore/acknowledge              ← { id }   closes the report

export const startRestoreUpload = z.object({
  name: line(200),
  totalBytes: byteCount.min(1).max(8_000_000_000_000),
  sha256: sha256Hex.optional(),
});
export const restoreUpload = z.object({ id: z.string(), receivedBytes: byteCount });

/** Of a backup; never stored, never in a log. */
export const restorePassword = z.string().min(1).max(1000);
export const inspectBackup = z.object({ upload: z.uuid(), password: restorePassword.optional() });
export const startRestore = z.object({
  upload: z.uuid(),
  password: restorePassword.optional(),
  /** Also the settings of the box that the backup holds. */
  withBoxSettings: z.boolean().default(false),
  /** In a pair: its relationship is broken off first, which the person has read. */
  breakPair: z.boolean().default(false),
  /** The name of this appliance, typed by whoever restores. */
  confirm: line(100),
});
export const undoRestore = z.object({ id: z.string().max(64), confirm: line(100) });
export const restorationId = z.object({ id: z.string().max(64) });
