/** Status, settings and audit of the site. */
import { z } from 'zod';
import { instantMs, optionalLine } from '../text.ts';

/** GET status (logged in) */
export const siteStatus = z.object({
  applianceName: z.string(),
  version: z.string(),
  nowMs: instantMs,
  jumpClients: z.object({
    online: z.number().int(),
    total: z.number().int(),
    waiting: z.number().int(),
    conflicts: z.number().int(),
  }),
  activeSessions: z.number().int(),
  recordings: z.object({ ok: z.boolean(), freeBytes: z.number(), usedBytes: z.number() }),
  /** To administrators: the database is older than what clients bear; revocations made after `sinceMs` may be missing. */
  restored: z.object({ sinceMs: instantMs, clients: z.number().int() }).nullable().default(null),
  /** To administrators: what is wrong with the scheduled backups, as a code and a sentence. */
  backup: z.object({ code: z.string(), message: z.string() }).nullable().default(null),
  /** To administrators: the version of base that runs this site; null when base does not say. */
  baseVersion: z.string().max(200).nullable().default(null),
});
/** GET/PUT settings/security (administrators) */
export const securitySettings = z.object({
  /** A session that nobody has open ends after this. */
  notResumedMinutes: z
    .number()
    .int()
    .min(1)
    .max(7 * 24 * 60),
  /** A session whose Jump Client is away ends after this. */
  clientAwayMinutes: z
    .number()
    .int()
    .min(1)
    .max(7 * 24 * 60),
  loginIdleMinutes: z
    .number()
    .int()
    .min(5)
    .max(24 * 60),
  loginMaxHours: z
    .number()
    .int()
    .min(1)
    .max(7 * 24),
  /** Record what is typed, too; a password typed without echo then lands in the file. */
  recordInput: z.boolean(),
  recordingMaxMebibytes: z
    .number()
    .int()
    .min(1)
    .max(1024 * 1024),
});
export type SecuritySettings = z.infer<typeof securitySettings>;

/** GET audit?before&limit&text&housekeeping (administrators) */
export const auditFilter = z.object({
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(100),
  text: optionalLine(100).optional(),
  /** Also what the appliance notes by itself all the time (last-seen times). The export has everything. */
  housekeeping: z.stringbool({ truthy: ['true'], falsy: ['false'] }).default(false),
});
export const auditRow = z.object({
  sequence: z.number().int(),
  atMs: instantMs,
  code: z.string(),
  actor: z.string(),
  address: z.string(),
  /** In English, from the event's own template. */
  summary: z.string(),
  details: z.record(z.string(), z.unknown()),
});
export const auditPage = z.object({ events: z.array(auditRow), more: z.boolean() });
/** GET events (text/event-stream): `event: changed` with a JSON list of topics from this list, at most one a second. */
export const EVENT_TOPICS = [
  'jump-items',
  'active-sessions',
  'conflicts',
  'status',
  'me',
  'fleet',
  'failover',
  'backup',
] as const;
