import { createHash, randomBytes } from 'node:crypto';
import type { SessionProgram } from '@bascule/protocol/control-link.ts';
import type { ToRelay } from '@bascule/protocol/relay-control.ts';
import type { SessionRow } from './access-session-store.ts';

/** wire 4.9 */
const TICKET_BYTES = 32;
export const TICKET_LIFE_MS = 30_000;
/** How long a recording that cannot be written (or opened again) may pause a session. */
export const RECORDING_PAUSE_LIMIT_MS = 60_000;
const MEBIBYTE = 1024 * 1024;
/** Kept free for database, audit and updates. */
const RESERVE_BYTES = 256 * MEBIBYTE;
/** What one session may put out over time; above the speed of a PTY only for the burst. */
const SESSION_BYTES_PER_SECOND = 64 * MEBIBYTE;
const SESSION_BURST_BYTES = 512 * MEBIBYTE;
const TERM = 'xterm-256color';

/** A fresh one-time ticket, and what the relay is told of it (wire 4.9). */
export function newTicket(nowMs: number): { ticket: string; ticketSha256: string; expiresAtMs: number } {
  const ticket = randomBytes(TICKET_BYTES).toString('base64url');
  return { ticket, ticketSha256: createHash('sha256').update(ticket).digest('hex'), expiresAtMs: nowMs + TICKET_LIFE_MS };
}

/** The first message to a relay. */
export function relayConfiguration(
  linkTls: { key: string; certificate: string; authority: string; ticketKeys: Buffer },
  recordingMaxMebibytes: number,
): ToRelay {
  const { key, certificate, authority, ticketKeys } = linkTls;
  return {
    kind: 'configure',
    tls: { key, certificate, authority, ticketKeys: ticketKeys.toString('base64') },
    limits: {
      recordingMaxBytes: recordingMaxMebibytes * MEBIBYTE,
      reserveBytes: RESERVE_BYTES,
      recordingPauseLimitMs: RECORDING_PAUSE_LIMIT_MS,
      sessionBytesPerSecond: SESSION_BYTES_PER_SECOND,
      sessionBurstBytes: SESSION_BURST_BYTES,
    },
  };
}

/** `session-open` for the relay; the same whenever it is said again, but that a live session's recording must exist, and `inBytes` were typed. */
export function sessionOpen(row: SessionRow, appliance: string, inBytes: number): ToRelay {
  return {
    kind: 'session-open',
    session: row.id,
    client: row.jumpItemId,
    file: row.recordingFile,
    resumed: row.state === 'live',
    inBytes,
    ...(row.endRequested !== null && { endRequested: row.endRequested }),
    header: {
      format: 'bascule-recording/1',
      session: row.id,
      startedAtMs: row.startedAtMs,
      appliance,
      user: { id: row.userId, name: row.userName },
      fromAddress: row.fromAddress,
      jumpItem: { id: row.jumpItemId, name: row.jumpItemName, hostName: row.hostName, runsAs: row.runsAs },
      program: 'shell',
      size: { cols: row.cols, rows: row.rows },
      recordsInput: row.recordsInput === 1,
    },
  };
}

/** What the client is to start. */
export function shellProgram(row: SessionRow, clientAwayMinutes: number): SessionProgram {
  return {
    kind: 'shell',
    size: { cols: row.cols, rows: row.rows },
    term: TERM,
    recordInput: row.recordsInput === 1,
    giveUpAfterMs: clientAwayMinutes * 60_000,
  };
}
