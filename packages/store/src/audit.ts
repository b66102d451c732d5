/** Audit events: typed by code, chained by hash, written in the same transaction as what they tell of. Format: docs/spec/audit-export.md. */
import { createHash } from 'node:crypto';

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

export interface AuditEvent {
  /** Permanent: JUMP_CLIENT_APPROVED. */
  code: string;
  /** In English, with names, so that it outlives what it names. */
  summary: string;
  details: Record<string, JsonValue>;
}

export interface AuditRow {
  appliance: string;
  epoch: number;
  sequence: number;
  atMs: number;
  code: string;
  summary: string;
  actorKind: string;
  actorId: string | null;
  actorName: string;
  address: string;
  details: string;
  previousHash: string;
  hash: string;
}

const codes = new Set<string>();

/**
 * Declares an audit event and returns its maker. `template` holds names of details in braces: `Disabled user {name}`. A code may be declared once.
 */
export function defineAuditEvent<D extends Record<string, JsonValue>>(
  code: string,
  template: string,
): (details: D) => AuditEvent {
  if (codes.has(code)) throw new Error(`bug: the audit code ${code} is declared twice`);
  codes.add(code);
  return (details) => ({
    code,
    summary: template.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? '')),
    details,
  });
}

/** hash(n) = SHA-256 over the predecessor's hash, a newline, and the fields as one JSON array (docs/spec/audit-export.md, 2). */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  const fields = [
    row.appliance,
    row.epoch,
    row.sequence,
    row.atMs,
    row.code,
    row.summary,
    row.actorKind,
    row.actorId,
    row.actorName,
    row.address,
    row.details,
  ];
  return createHash('sha256')
    .update(`${row.previousHash}\n${JSON.stringify(fields)}`)
    .digest('hex');
}

/** What the first event of an appliance's first epoch is chained to. */
export const GENESIS_HASH = '0'.repeat(64);

interface AuditReader {
  all<T>(sql: string, ...params: (string | number)[]): T[];
  iterate<T>(sql: string, ...params: (string | number)[]): IterableIterator<T>;
}

const COLUMNS = `appliance, epoch, sequence, at_ms AS atMs, code, summary, actor_kind AS actorKind, actor_id AS actorId, actor_name AS actorName, address, details,
  previous_hash AS previousHash, hash`;
const PAGE_MAX = 200;

/**
 * Reads audit events, newest first. `before`: only events with a lower sequence number; `text`: only those with this text in code, summary or actor.
 * At most `limit` (200) rows.
 */
export function readAudit(reader: AuditReader, filter: { before?: number; limit: number; text?: string }): AuditRow[] {
  const text = `%${(filter.text ?? '').replace(/[\\%_]/g, (character) => `\\${character}`)}%`;
  return reader.all<AuditRow>(
    `SELECT ${COLUMNS} FROM audit_event WHERE sequence < ? AND (summary LIKE ? ESCAPE '\\' OR code LIKE ? ESCAPE '\\' OR actor_name LIKE ? ESCAPE '\\')
     ORDER BY sequence DESC LIMIT ?`,
    filter.before ?? Number.MAX_SAFE_INTEGER,
    text,
    text,
    text,
    Math.min(filter.limit, PAGE_MAX),
  );
}

/** The whole chain as JSON lines, oldest first, as tools/verify/verify.mjs checks it. */
export function* exportAudit(reader: AuditReader): Generator<string> {
  yield `${JSON.stringify({ format: 'bascule-audit/1' })}\n`;
  for (const row of reader.iterate<AuditRow>(`SELECT ${COLUMNS} FROM audit_event ORDER BY epoch, appliance, sequence`))
    yield `${JSON.stringify(row)}\n`;
}
