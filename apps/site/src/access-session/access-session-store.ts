import type { EndReason } from '@bascule/protocol/end-reason.ts';
import type { Reader, SqlValue, Tx } from '@bascule/store/store.ts';

export type SessionState = 'starting' | 'live' | 'ended';

export interface SessionRow {
  id: string;
  state: SessionState;
  userId: string;
  userName: string;
  jumpItemId: string;
  jumpItemName: string;
  hostName: string;
  runsAs: string;
  fromAddress: string;
  startedAtMs: number;
  cols: number;
  rows: number;
  recordsInput: number;
  /** Relative to the recordings directory. */
  recordingFile: string;
  /** Why it is to end; set until it has ended, so that a crash in between is made up for. */
  endRequested: EndReason | null;
  /** Since when nobody has it open. */
  detachedSinceMs: number | null;
  /** Since when its Jump Client is away. */
  awaySinceMs: number | null;
  endedAtMs: number | null;
  endReason: EndReason | null;
  exitCode: number | null;
  outBytes: number;
  inBytes: number;
  recordingBytes: number | null;
  headSha256: string | null;
}

export interface SessionFilter {
  fromMs?: number;
  toMs?: number;
  user?: string;
  item?: string;
  state?: SessionState;
  endReason?: EndReason;
  before?: string;
  limit: number;
  /** Only sessions of this user. */
  ownerId?: string;
}

export interface SessionEnd {
  id: string;
  reason: EndReason;
  endedAtMs: number;
  exitCode: number | null;
  outBytes: number;
  inBytes: number;
  recordingBytes: number | null;
  headSha256: string | null;
}

const COLUMNS = `id, state, user_id AS userId, user_name AS userName, jump_item_id AS jumpItemId, jump_item_name AS jumpItemName, host_name AS hostName,
  runs_as AS runsAs, from_address AS fromAddress, started_at_ms AS startedAtMs, cols, rows, records_input AS recordsInput, recording_file AS recordingFile,
  end_requested AS endRequested, detached_since_ms AS detachedSinceMs, away_since_ms AS awaySinceMs, ended_at_ms AS endedAtMs, end_reason AS endReason,
  exit_code AS exitCode, out_bytes AS outBytes, in_bytes AS inBytes, recording_bytes AS recordingBytes, head_sha256 AS headSha256`;

export function sessionById(reader: Reader, id: string): SessionRow | undefined {
  return reader.get<SessionRow>(`SELECT ${COLUMNS} FROM access_sessions WHERE id = ?`, id);
}

/** Every session that has not ended: what main carries on with after a restart. */
export function unendedSessions(reader: Reader): SessionRow[] {
  return reader.all<SessionRow>(`SELECT ${COLUMNS} FROM access_sessions WHERE state IN ('starting', 'live') ORDER BY id`);
}

export function insertSession(tx: Tx, row: SessionRow): void {
  tx.run(
    `INSERT INTO access_sessions (id, state, user_id, user_name, jump_item_id, jump_item_name, host_name, runs_as, from_address, started_at_ms, cols, rows,
       records_input, recording_file, out_bytes, in_bytes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.state,
    row.userId,
    row.userName,
    row.jumpItemId,
    row.jumpItemName,
    row.hostName,
    row.runsAs,
    row.fromAddress,
    row.startedAtMs,
    row.cols,
    row.rows,
    row.recordsInput,
    row.recordingFile,
    row.outBytes,
    row.inBytes,
  );
}

export function markLive(tx: Tx, id: string): void {
  tx.run(`UPDATE access_sessions SET state = 'live' WHERE id = ? AND state = 'starting'`, id);
}

export function requestEnd(tx: Tx, id: string, reason: EndReason): void {
  tx.run(`UPDATE access_sessions SET end_requested = ? WHERE id = ? AND state <> 'ended'`, reason, id);
}

export function setDetached(tx: Tx, id: string, sinceMs: number | null): void {
  tx.run(`UPDATE access_sessions SET detached_since_ms = ? WHERE id = ?`, sinceMs, id);
}

export function setAway(tx: Tx, id: string, sinceMs: number | null): void {
  tx.run(`UPDATE access_sessions SET away_since_ms = ? WHERE id = ?`, sinceMs, id);
}

/** Ends the row; false when it had ended before, so that a repeated `session-ended` changes nothing. */
export function endSession(tx: Tx, end: SessionEnd): boolean {
  return (
    tx.run(
      `UPDATE access_sessions SET state = 'ended', end_requested = NULL, ended_at_ms = ?, end_reason = ?, exit_code = ?, out_bytes = ?, in_bytes = ?,
         recording_bytes = ?, head_sha256 = ? WHERE id = ? AND state <> 'ended'`,
      end.endedAtMs,
      end.reason,
      end.exitCode,
      end.outBytes,
      end.inBytes,
      end.recordingBytes,
      end.headSha256,
      end.id,
    ).changes === 1
  );
}

/** The number of the newest row: what comes after it is made from now on. */
export function lastRowNumber(reader: Reader): number {
  return reader.get<{ last: number }>('SELECT coalesce(max(rowid), 0) AS last FROM access_sessions')?.last ?? 0;
}

/** Rows that were made after the one with that number, oldest first. */
export function sessionsAfterRow(reader: Reader, rowNumber: number, limit: number): SessionRow[] {
  return reader.all<SessionRow>(
    `SELECT ${COLUMNS} FROM access_sessions WHERE rowid > ? ORDER BY rowid LIMIT ?`,
    rowNumber,
    limit,
  );
}

/** In a scratch copy: sessions that go on at the primary are none of its own, and nothing is said to their clients. */
export function endCopiedSessions(tx: Tx, reason: EndReason, atMs: number): void {
  tx.run(
    `UPDATE access_sessions SET state = 'ended', end_requested = NULL, ended_at_ms = ?, end_reason = ? WHERE state <> 'ended'`,
    atMs,
    reason,
  );
}

/** One page, newest first; one row more than `limit` when there is a next page. */
export function findSessions(reader: Reader, filter: SessionFilter): SessionRow[] {
  const conditions: string[] = [];
  const params: SqlValue[] = [];
  const add = (condition: string, ...values: SqlValue[]) => {
    conditions.push(condition);
    params.push(...values);
  };
  if (filter.ownerId !== undefined) add('user_id = ?', filter.ownerId);
  if (filter.fromMs !== undefined) add('started_at_ms >= ?', filter.fromMs);
  if (filter.toMs !== undefined) add('started_at_ms <= ?', filter.toMs);
  if (filter.user) add(`user_name LIKE ? ESCAPE '\\'`, containing(filter.user));
  if (filter.item)
    add(`(jump_item_name LIKE ? ESCAPE '\\' OR host_name LIKE ? ESCAPE '\\')`, containing(filter.item), containing(filter.item));
  if (filter.state !== undefined) add('state = ?', filter.state);
  if (filter.endReason !== undefined) add('end_reason = ?', filter.endReason);
  if (filter.before !== undefined) add('id < ?', filter.before);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  return reader.all<SessionRow>(
    `SELECT ${COLUMNS} FROM access_sessions ${where} ORDER BY id DESC LIMIT ?`,
    ...params,
    filter.limit + 1,
  );
}

function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, (character) => `\\${character}`)}%`;
}
