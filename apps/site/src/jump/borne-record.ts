/** What a client bears that this site's database does not know (any more): part of I6, "never refused". */
import type { Tx } from '@bascule/store/store.ts';
import type { ClientState } from './jump-store.ts';

/** A record that the site identity, or one before it, has signed about this very client. */
export interface BorneRecord {
  name: string;
  groupName: string | null;
  tags: string[];
  state: ClientState;
  /** It tells of something that this database does not hold: the database is an older one. */
  isNewer: boolean;
  /** A sentence for the item's comment; empty when there is nothing to be said. */
  note: string;
}

/** Sets what a client that was just listed as unknown bears of itself. */
export function takeRecord(tx: Tx, id: string, record: BorneRecord): void {
  tx.run(`UPDATE jump_clients SET tags = ?, comment = ? WHERE id = ?`, JSON.stringify(record.tags), record.note, id);
}

/** A client that was revoked after this database was saved: an administrator has to look at it again. */
export function doubt(tx: Tx, id: string, record: BorneRecord): void {
  tx.run(
    `UPDATE jump_clients SET state = 'to-be-confirmed', comment = substr(trim(? || ' ' || comment), 1, 500) WHERE id = ?`,
    record.note,
    id,
  );
}
