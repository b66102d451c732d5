/** Access sessions: open, attach, end, list; reports and recordings. */
import { z } from 'zod';
import { byteCount, id, instantMs, terminalSize } from '../text.ts';
import { endReasons } from '../end-reason.ts';
import { FAILOVER_READ_ONLY } from './failover.ts';

/** POST access-sessions */
export const openAccessSessionBody = z.object({ jumpItemId: id('jumpClient'), size: terminalSize });
export const openedAccessSession = z.object({ session: id('accessSession') });
/** POST access-sessions/:id/attach → a one-time ticket for the viewer link at `/stream`. */
export const attachTicket = z.object({ ticket: z.string(), expiresAtMs: instantMs });
/** POST access-sessions/:id/end */

export const sessionState = z.enum(['starting', 'live', 'ended']);
export const accessSessionRow = z.object({
  id: id('accessSession'),
  state: sessionState,
  userName: z.string(),
  userId: id('user'),
  jumpItemId: z.string(),
  jumpItemName: z.string(),
  hostName: z.string(),
  runsAs: z.string(),
  fromAddress: z.string(),
  startedAtMs: instantMs,
  endedAtMs: instantMs.nullable(),
  endReason: z.enum(endReasons).nullable(),
  exitCode: z.number().int().nullable(),
  outBytes: byteCount,
  inBytes: byteCount,
  recordingBytes: byteCount.nullable(),
  /** While live. */
  viewers: z.number().int(),
  agentConnected: z.boolean(),
  paused: z.boolean(),
  recordsInput: z.boolean(),
});
export type AccessSessionRow = z.infer<typeof accessSessionRow>;
/** GET access-sessions/active: own ones; an administrator sees all. */
export const activeAccessSessions = z.object({ sessions: z.array(accessSessionRow) });

/** GET reports/access-sessions?from&to&user&item&state&endReason&before&limit; newest first, at most 200 a page. */
export const accessSessionFilter = z.object({
  fromMs: z.coerce.number().int().nonnegative().optional(),
  toMs: z.coerce.number().int().nonnegative().optional(),
  user: z.string().max(100).optional(),
  item: z.string().max(128).optional(),
  state: sessionState.optional(),
  endReason: z.enum(endReasons).optional(),
  /** Continue after this id of the page before. */
  before: id('accessSession').optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export const accessSessionReport = z.object({ sessions: z.array(accessSessionRow), more: z.boolean() });
/** GET reports/access-sessions/:id */
export const accessSessionDetail = z.object({
  session: accessSessionRow,
  recording: z
    .object({
      bytes: byteCount,
      complete: z.boolean(),
      headSha256: z.string().nullable(),
      durationMs: z.number().nonnegative(),
      /** Bytes of output that are in none of its frames: lost when the appliances of a pair changed roles. Absent: none. */
      missingBytes: byteCount.optional(),
    })
    .nullable(),
});
/** GET reports/access-sessions/:id/recording (application/octet-stream), .../asciicast (application/x-asciicast) */
/** GET reports/audit/export (application/jsonl): the audit chain for `npm run verify`. */
export { terminalSize };

/** Refusals of an attach after which another try makes no sense: logged out, gone, over. */
const FINAL_ATTACH_STATUS: readonly number[] = [401, 404, 409];

/** Whether asking for another ticket makes no sense. A backup that is asked while the site moves refuses too: there the next try finds the primary. */
export function isFinalAttachRefusal({ status, code }: { status: number; code: string }): boolean {
  return code !== FAILOVER_READ_ONLY && FINAL_ATTACH_STATUS.includes(status);
}
