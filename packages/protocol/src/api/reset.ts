/** Box interface, below `/appliance/api/status`: shut down, restart, and reset to factory defaults (B8, B9, B207). */
import { z } from 'zod';
import { instantMs, line } from '../text.ts';
import { BACKUP_DESTINATIONS_MAX, BACKUP_PLACE_MAX_LENGTH } from './backup.ts';

/** `stop-bascule` ends the appliance's programs alone, where the machine is not ours to switch off. */
export const POWER_ORDERS = ['shut-down', 'restart', 'stop-bascule'] as const;
export type PowerOrder = (typeof POWER_ORDERS)[number];

/** GET status/power */
export const powerState = z.object({
  mayShutDown: z.boolean(),
  mayRestart: z.boolean(),
  /** Why not, in words; null: both may be done. */
  why: z.string().nullable(),
  sessions: z.number().int(),
  clientsOnline: z.number().int(),
  /** A backup takes over: the name of the peer. */
  peer: z.string().nullable(),
});
export type PowerState = z.infer<typeof powerState>;
/** POST status/power */
export const power = z.strictObject({ order: z.enum(POWER_ORDERS) });

export const ERASED_KINDS = ['keys', 'databases', 'recordings', 'files', 'backups', 'logs', 'updates', 'client'] as const;
export type ErasedKind = (typeof ERASED_KINDS)[number];

/** Destinations of backups beside this machine, in words: what lies there is not erased. null: the site did not say. */
const backupPlaces = z.array(z.string().max(BACKUP_PLACE_MAX_LENGTH)).max(BACKUP_DESTINATIONS_MAX).nullable();

/** GET status/reset: what would go, and whether it may. */
export const resetState = z.object({
  applianceName: z.string(),
  /** Why it may not be reset now, in words; null: it may. */
  refused: z.string().nullable(),
  sessions: z.number().int(),
  clientsOnline: z.number().int(),
  kinds: z.array(z.object({ kind: z.enum(ERASED_KINDS), files: z.number().int(), bytes: z.number(), optional: z.boolean() })),
  elsewhere: backupPlaces,
});
export type ResetState = z.infer<typeof resetState>;

/** POST status/reset. `keepBackups`: backups on this machine stay; whoever gets it next can read those without a password. */
export const reset = z.strictObject({
  /** Typed. */
  applianceName: line(253),
  password: z.string().max(1024),
  keepBackups: z.boolean(),
  /** The machine is switched off when it has ended; where that is not possible, Bascule ends. */
  shutDownAfter: z.boolean(),
});
export type Reset = z.infer<typeof reset>;

/** The report on the machine. */
export const erasureReport = z.object({
  format: z.literal('bascule-erasure/1'),
  applianceName: z.string(),
  baseVersion: z.string(),
  orderedBy: z.string(),
  startedAtMs: instantMs,
  endedAtMs: instantMs,
  /** Times that a crash or power cut interrupted it. */
  interruptions: z.number().int(),
  steps: z.array(
    z.object({
      kind: z.enum(ERASED_KINDS),
      files: z.number().int(),
      bytes: z.number(),
      /** Overwritten with random bytes before they were removed; else only removed. */
      overwritten: z.boolean(),
      endedAtMs: instantMs,
    }),
  ),
  /** What is still there although it was to go, by path below the data directory. */
  left: z.array(z.string()).max(100),
  keptBackups: z.boolean(),
  elsewhere: backupPlaces.default(null),
  shutDownAfter: z.boolean(),
  /** SHA-256 of the report's JSON without this field. */
  sha256: z.string(),
});
export type ErasureReport = z.infer<typeof erasureReport>;

/** What strangers see of it: no user, no path, no place; `sha256` is that of the whole report, which the machine has, and its audit in words. */
export const shownErasureReport = erasureReport.omit({ orderedBy: true, left: true, elsewhere: true }).extend({
  leftCount: z.number().int(),
  /** null: not known. */
  elsewhereCount: z.number().int().nullable(),
});
export type ShownErasureReport = z.infer<typeof shownErasureReport>;
/** GET erasure-report, without login: shown until the first login after the reset. */
export const erasureReportAnswer = z.object({ report: shownErasureReport.nullable() });

/** The appliance goes on for so long after a reset with `shutDownAfter`, so that whoever watches sees the report. */
export const SHUT_DOWN_AFTER_RESET_SECONDS = 60;
