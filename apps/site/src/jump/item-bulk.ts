import type { SqlValue, Tx } from '@bascule/store/store.ts';
import type { BulkAction } from './item-acts.ts';

/** Of one item (protocol/api/jump.ts). */
export const TAGS_MAX = 20;

const OF_IDS = 'id IN (SELECT value FROM json_each(?))';

/** Does `action` on those of `ids` that it fits, with a handful of statements whatever their number; answers which those were. */
export function writeBulk(tx: Tx, ids: readonly string[], action: BulkAction, nowMs: number): string[] {
  switch (action.kind) {
    case 'group':
      return update(tx, ids, 'group_id = ?', 'group_id IS NOT ?', action.groupId);
    case 'mode':
      return update(tx, ids, 'mode = ?', 'mode <> ?', action.mode);
    case 'approve':
      return admit(tx, ids, 'waiting-for-approval');
    case 'confirm':
      return admit(tx, ids, 'to-be-confirmed');
    case 'revoke':
      return update(tx, ids, 'state = ?', 'state <> ?', 'revoked');
    case 'tags':
      return changeTags(tx, ids, action);
    case 'delete': {
      const found = fitting(tx, ids, 'TRUE');
      const list = JSON.stringify(found);
      tx.run(
        `INSERT INTO jump_deleted_clients (id, name, deleted_at_ms) SELECT id, name, ? FROM jump_clients WHERE ${OF_IDS}`,
        nowMs,
        list,
      );
      tx.run(`DELETE FROM jump_clients WHERE ${OF_IDS}`, list);
      return found;
    }
  }
}

function fitting(tx: Tx, ids: readonly string[], condition: string, ...values: SqlValue[]): string[] {
  const sql = `SELECT id FROM jump_clients WHERE ${OF_IDS} AND ${condition}`;
  return tx.all<{ id: string }>(sql, JSON.stringify(ids), ...values).map(({ id }) => id);
}

function update(tx: Tx, ids: readonly string[], assignment: string, condition: string, value: SqlValue): string[] {
  const found = fitting(tx, ids, condition, value);
  tx.run(`UPDATE jump_clients SET ${assignment} WHERE ${OF_IDS}`, value, JSON.stringify(found));
  return found;
}

function admit(tx: Tx, ids: readonly string[], from: 'waiting-for-approval' | 'to-be-confirmed'): string[] {
  const found = fitting(tx, ids, 'state = ?', from);
  tx.run(`UPDATE jump_clients SET state = 'approved' WHERE ${OF_IDS}`, JSON.stringify(found));
  return found;
}

/** Items with the same tags get the same new ones, in one statement; one that would have more than TAGS_MAX is left as it is. */
function changeTags(
  tx: Tx,
  ids: readonly string[],
  { add, remove }: { add: readonly string[]; remove: readonly string[] },
): string[] {
  const sql = `SELECT id, tags FROM jump_clients WHERE ${OF_IDS}`;
  const byTags = new Map<string, string[]>();
  for (const { id, tags } of tx.iterate<{ id: string; tags: string }>(sql, JSON.stringify(ids))) {
    const same = byTags.get(tags);
    if (same === undefined) byTags.set(tags, [id]);
    else same.push(id);
  }
  const written: string[] = [];
  for (const [before, same] of byTags) {
    const kept = (JSON.parse(before) as string[]).filter((tag) => !remove.includes(tag));
    const tags = [...new Set([...kept, ...add.map((tag) => tag.trim())])];
    const after = JSON.stringify(tags);
    if (after === before || tags.length > TAGS_MAX) continue;
    tx.run(`UPDATE jump_clients SET tags = ? WHERE ${OF_IDS}`, after, JSON.stringify(same));
    written.push(...same);
  }
  return written;
}
