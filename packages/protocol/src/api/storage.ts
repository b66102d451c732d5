/** Box interface, below `/appliance/api/storage`: what takes how much of the disk, and how long recordings and reports are kept. */
import { z } from 'zod';
import { instantMs } from '../text.ts';

export const STORAGE_KINDS = [
  'database',
  'recordings',
  'files',
  'backups',
  'software',
  'archives',
  'logs',
  'snapshots',
  'reserve',
  'other',
] as const;
export type StorageKind = (typeof STORAGE_KINDS)[number];

/** GET storage; POST storage/measure measures anew and answers the same at once. */
export const storage = z.object({
  path: z.string(),
  totalBytes: z.number(),
  freeBytes: z.number(),
  /** Null: not measured since base was started. */
  measuredAtMs: instantMs.nullable(),
  measuring: z.boolean(),
  /** What the disk gives for each kind; `files` is how many there are. */
  usage: z.array(z.object({ kind: z.enum(STORAGE_KINDS), bytes: z.number(), files: z.number().int() })),
  /** Room that is kept, and what for. */
  reserved: z.array(z.object({ purpose: z.enum(['journal', 'recordings']), bytes: z.number(), held: z.boolean() })),
});
export type Storage = z.infer<typeof storage>;

/** How long a site keeps what sessions leave. Null: for ever (`recordingsMaxGibibytes`: without limit). */
export const retention = z.strictObject({
  recordingsMaxDays: z.number().int().min(1).max(36_500).nullable(),
  recordingsMaxGibibytes: z.number().int().min(1).max(1_000_000).nullable(),
  /** Reports go with their recordings, never before them. */
  reportsMaxDays: z.number().int().min(1).max(36_500).nullable(),
});
export type Retention = z.infer<typeof retention>;

/** GET and PUT storage/retention: asked of the site, which does it. */
export const retentionState = z.object({
  settings: retention,
  /** Whether this appliance may change it: a backup does as its primary says. */
  decidesHere: z.boolean(),
  lastRun: z
    .object({
      atMs: instantMs,
      recordings: z.number().int(),
      recordingBytes: z.number(),
      reports: z.number().int(),
    })
    .nullable(),
});
export type RetentionState = z.infer<typeof retentionState>;
