/** What is read from, and cut off, the change log on behalf of followers. */
import { AppError } from '@bascule/errors/app-error.ts';
import { isHousekeeping } from './audit.ts';
import { logHead, NO_HASH, readChangeLog, type ChangeLogEntry } from './change-log.ts';
import { insertedRows } from './changeset.ts';
import { ENTRY_HEAD_BYTES } from './entry-limits.ts';
import { tableColumns } from './schema.ts';
import type { Reader, SqlValue } from './transaction.ts';

const HOUR_MS = 60 * 60_000;
/** What a follower lacks is kept for it up to these; then it takes a snapshot. */
export const LOG_KEPT_FOR_FOLLOWER = { ageMs: 30 * 24 * HOUR_MS, bytes: 2 * 1024 * 1024 * 1024 } as const;
/** What every follower has is kept up to these: for one that was set back a little, and for what is told of the last days. */
export const LOG_KEPT_FOR_ALL = { ageMs: 7 * 24 * HOUR_MS, bytes: 256 * 1024 * 1024 } as const;
/** Entries that one step of a trim looks at or removes: other work goes on between steps. */
const TRIM_STEP_ENTRIES = 2_000;
/** Audit events that `changesSince` names, and entries that it looks at for them. */
const EVENTS_MAX = 50;
const ENTRIES_LOOKED_AT_MAX = 2_000;

/** What was committed after some entry. */
export interface Changes {
  changes: number;
  /** When the first of them was made; null when there is none, or it was cut off already. */
  sinceMs: number | null;
  /** What people did, newest first, at most EVENTS_MAX, without housekeeping. */
  events: { atMs: number; actor: string; summary: string }[];
}

/** Entries after `seq`, oldest first, as many as make `maxBytes` on the wire; one at least, when there is one. Throws `STORE_LOG_TRIMMED` when the next one was cut off. */
export function entriesAfter(reader: Reader, seq: number, maxBytes: number): ChangeLogEntry[] {
  const entries: ChangeLogEntry[] = [];
  let bytes = 0;
  for (const entry of readChangeLog(reader, seq)) {
    if (entry.seq !== seq + entries.length + 1) throw trimmed(seq);
    bytes += ENTRY_HEAD_BYTES + entry.bytes.length;
    if (entries.length > 0 && bytes > maxBytes) break;
    entries.push(entry);
  }
  return entries;
}

/** Whether a follower whose newest entry is (`seq`, `hash`) can go on from this log: it is this log's entry, and all that follows is still here. */
export function hasEntry(reader: Reader, seq: number, hash: Uint8Array): boolean {
  const own = seq === 0 ? { hash: NO_HASH } : reader.get<{ hash: Uint8Array }>('SELECT hash FROM change_log WHERE seq = ?', seq);
  const next = reader.get<{ previous: Uint8Array }>('SELECT previous FROM change_log WHERE seq = ?', seq + 1);
  if (next !== undefined) return Buffer.compare(next.previous, hash) === 0;
  return own !== undefined && Buffer.compare(own.hash, hash) === 0 && logHead(reader).seq === seq;
}

/** What was committed after entry `seq`, as the entries themselves tell it. */
export function changesSince(reader: Reader, seq: number): Changes {
  const head = logHead(reader);
  const { columns } = tableColumns(reader, 'audit_event');
  const at = (name: string) => columns.indexOf(name);
  const place = { code: at('code'), atMs: at('at_ms'), actor: at('actor_name'), summary: at('summary') };
  const events: Changes['events'] = [];
  const newest = reader.all<{ bytes: Uint8Array }>(
    "SELECT bytes FROM change_log WHERE seq > ? AND kind = 'change' ORDER BY seq DESC LIMIT ?",
    seq,
    ENTRIES_LOOKED_AT_MAX,
  );
  const text = (value: SqlValue | undefined) => String(value ?? '');
  for (const { bytes } of newest) {
    for (const row of insertedRows(bytes, 'audit_event')) {
      if (isHousekeeping(text(row[place.code])) || events.length >= EVENTS_MAX) continue;
      events.push({ atMs: Number(row[place.atMs]), actor: text(row[place.actor]), summary: text(row[place.summary]) });
    }
    if (events.length >= EVENTS_MAX) break;
  }
  const first = reader.get<{ atMs: number }>('SELECT at_ms AS atMs FROM change_log WHERE seq = ?', seq + 1);
  return { changes: Math.max(0, head.seq - seq), sinceMs: first?.atMs ?? null, events };
}

/** The store whose log is trimmed: how a step reads it, and how it removes the oldest entries below a number, in a transaction of its own. */
interface Trimmed {
  reader: Reader;
  isOpen(): boolean;
  remove(belowSeq: number, limit: number): number;
}

/**
 * Cuts off old entries, as far as the two limits above say, never the newest one: `keepFromSeq` is the first entry that a follower lacks (beyond the head: none does). In steps, so
 * that other work goes on. Returns how many went.
 */
export async function trimLog(store: Trimmed, keepFromSeq: number, nowMs: number): Promise<number> {
  const keepFrom = await firstKept(store, keepFromSeq, nowMs);
  let total = 0;
  while (store.isOpen()) {
    const removed = store.remove(keepFrom, TRIM_STEP_ENTRIES);
    total += removed;
    if (removed < TRIM_STEP_ENTRIES) break;
    await nextTurn();
  }
  return total;
}

/** Walks from the newest entry back to the first one that neither limit keeps. */
async function firstKept({ reader, isOpen }: Trimmed, keepFromSeq: number, nowMs: number): Promise<number> {
  let kept = logHead(reader).seq;
  let bytes = 0;
  while (isOpen()) {
    const step = reader.all<{ seq: number; atMs: number; length: number }>(
      'SELECT seq, at_ms AS atMs, length(bytes) AS length FROM change_log WHERE seq < ? ORDER BY seq DESC LIMIT ?',
      kept,
      TRIM_STEP_ENTRIES,
    );
    for (const { seq, atMs, length } of step) {
      const limit = seq >= keepFromSeq ? LOG_KEPT_FOR_FOLLOWER : LOG_KEPT_FOR_ALL;
      bytes += ENTRY_HEAD_BYTES + length;
      if (bytes > limit.bytes || nowMs - atMs > limit.ageMs) return kept;
      kept = seq;
    }
    if (step.length < TRIM_STEP_ENTRIES) return kept;
    await nextTurn();
  }
  return kept;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

function trimmed(seq: number): AppError {
  return new AppError(
    'conflict',
    'STORE_LOG_TRIMMED',
    `What follows entry ${seq} of the change log was cut off already: take a snapshot.`,
  );
}
