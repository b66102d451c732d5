import { z } from 'zod';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Reader, Store, Tx } from '@bascule/store/store.ts';

export const changeConfirmed = defineAuditEvent<{ about: string }>('CHANGE_CONFIRMED', 'Confirmed the change of {about}');
export const changeUndone = defineAuditEvent<{ about: string; why: string }>(
  'CHANGE_UNDONE',
  'Undid the change of {about}: {why}',
);

const storedParts = z.array(z.object({ kind: z.string(), before: z.unknown() })).max(20);

/** What is written down of a change before it takes effect: all that is needed to undo it. */
export interface PendingRow {
  about: string;
  madeBy: string;
  undoAtMs: number;
  parts: { kind: string; before: unknown }[];
}

export function readPending(reader: Reader): PendingRow | undefined {
  const row = reader.get<{ about: string; madeBy: string; undoAtMs: number; parts: string }>(
    'SELECT about, made_by AS madeBy, undo_at_ms AS undoAtMs, parts FROM pending_change',
  );
  return row && { ...row, parts: storedParts.parse(JSON.parse(row.parts)).map(({ kind, before }) => ({ kind, before })) };
}

export function insertPending(tx: Tx, { about, madeBy, undoAtMs, parts }: PendingRow): void {
  tx.run(
    'INSERT INTO pending_change (one, about, made_by, undo_at_ms, parts) VALUES (1, ?, ?, ?, ?)',
    about,
    madeBy,
    undoAtMs,
    JSON.stringify(parts),
  );
}

export function deletePending(tx: Tx): void {
  tx.run('DELETE FROM pending_change');
}

/** The change stays. */
export function keepPending(store: Store, context: Context, { about }: PendingRow): void {
  store.transact(context, changeConfirmed({ about }), deletePending);
}
