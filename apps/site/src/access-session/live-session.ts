import { EndReason } from '@bascule/protocol/end-reason.ts';
import type { FromRelay } from '@bascule/protocol/relay-control.ts';
import type { SessionRow } from './access-session-store.ts';

/** A session that has not ended: its row, and what is only memory about it. */
export interface LiveSession {
  row: SessionRow;
  viewers: number;
  agentConnected: boolean;
  paused: boolean;
  outBytes: number;
  inBytes: number;
  /** The relay has its recording open (since main's last connection to the relay). */
  opened: boolean;
  /** Since when the relay fails to open the recording of a session that was already running. */
  openFailedSinceMs: number | null;
  /** `session-open` went to the client at least once. */
  toldClient: boolean;
  /** The client came without the session it was to start, while the relay was away: the order is given again. */
  orderWanted: boolean;
  /** The client asked for a ticket while the relay was away. */
  ticketWanted: boolean;
  /** A session whose agent has not come by then has failed to start. */
  startBeforeMs: number;
  detachedSinceMs: number | null;
  awaySinceMs: number | null;
  /** The relay's last word (or main's, when the relay has no recording), until it is stored. */
  ended: SessionEnd | undefined;
}

type SessionEnded = Extract<FromRelay, { kind: 'session-ended' }>;
/** How a session ended; without size and head of the recording when the relay could not open it. */
export type SessionEnd = Omit<SessionEnded, 'recordingBytes' | 'headSha256'> &
  Partial<Pick<SessionEnded, 'recordingBytes' | 'headSha256'>>;

export interface SessionPolicy {
  notResumedMinutes: number;
  clientAwayMinutes: number;
}

/** Who comes back sooner than this is not noted as gone: no row changes for a page's reload or a reconnect. */
export const ABSENCE_NOTE_MS = 10_000;
const MINUTE_MS = 60_000;

/** Why the session is to end by the clock at `nowMs`, or undefined. */
export function dueEnd(session: LiveSession, policy: SessionPolicy, nowMs: number): EndReason | undefined {
  const { row } = session;
  if (row.endRequested !== null || session.ended !== undefined) return undefined;
  if (row.state === 'starting') return nowMs >= session.startBeforeMs ? EndReason.startFailed : undefined;
  if (isOver(session.detachedSinceMs, policy.notResumedMinutes, nowMs)) return EndReason.notResumed;
  if (isOver(session.awaySinceMs, policy.clientAwayMinutes, nowMs)) return EndReason.clientAway;
  return undefined;
}

function isOver(sinceMs: number | null, minutes: number, nowMs: number): boolean {
  return sinceMs !== null && nowMs - sinceMs >= minutes * MINUTE_MS;
}

/** How long the relay takes output that still comes before it closes the record, in milliseconds. */
export function endGraceMs(reason: EndReason): number {
  switch (reason) {
    // The client is gone, cut off, or has nothing: no output can come.
    case EndReason.clientAway:
    case EndReason.clientRevoked:
    case EndReason.startFailed:
      return 0;
    // What is under way on a link that still stands.
    case EndReason.clientStopped:
      return 2000;
    // The client gives the process 5 s between SIGHUP and SIGKILL.
    default:
      return 8000;
  }
}

/** What the row should say about an absence that memory knows since `sinceMs`; `noted` is what it says now. */
export function noteOf(sinceMs: number | null, noted: number | null, nowMs: number): number | null {
  if (sinceMs === null) return null;
  return noted === sinceMs || nowMs - sinceMs >= ABSENCE_NOTE_MS ? sinceMs : null;
}
