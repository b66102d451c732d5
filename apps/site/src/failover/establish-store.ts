import type { Migration, Reader, Tx } from '@bascule/store/store.ts';

/** Rows that are kept of what was established before. */
const KEPT_MAX = 20;

/** The pre-shared key, and the journal of establishing; versions 108 and 109 of pair.db. */
export const establishMigrations: Migration[] = [
  {
    version: 108,
    name: 'pre-shared key',
    up: `
      CREATE TABLE pair_secret (
        name TEXT PRIMARY KEY NOT NULL,
        wrapped BLOB NOT NULL,
        check_value TEXT NOT NULL,
        changed_at_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
  {
    version: 109,
    name: 'establishing',
    up: `
      CREATE TABLE pair_establishing (
        id TEXT PRIMARY KEY NOT NULL,
        side TEXT NOT NULL,
        phase TEXT NOT NULL,
        peer_key TEXT NOT NULL,
        offer TEXT NOT NULL,
        peer TEXT NOT NULL,
        keys BLOB,
        statement TEXT,
        changed_at_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
];

const PRE_SHARED = 'pre-shared-key';
/** What the pre-shared key was before a move took its place; empty when there was none. */
const BEFORE_MOVE = 'pre-shared-key before a move';

export interface PreSharedKeyRow {
  wrapped: Uint8Array;
  checkValue: string;
  changedAtMs: number;
}

export function readPreSharedKey(reader: Reader): PreSharedKeyRow | undefined {
  return read(reader, PRE_SHARED);
}

export function writePreSharedKey(tx: Tx, row: PreSharedKeyRow): void {
  write(tx, PRE_SHARED, row);
}

export function removePreSharedKey(tx: Tx): void {
  tx.run('DELETE FROM pair_secret WHERE name = ?', PRE_SHARED);
}

/** The key of before a move; `wrapped` is empty when there was none. Undefined: no move has put its key in the place of another. */
export function readKeyBeforeMove(reader: Reader): PreSharedKeyRow | undefined {
  return read(reader, BEFORE_MOVE);
}

/** Keeps `row` (undefined: there was none) until the move is over. */
export function writeKeyBeforeMove(tx: Tx, row: PreSharedKeyRow | undefined): void {
  write(tx, BEFORE_MOVE, row ?? { wrapped: new Uint8Array(), checkValue: '', changedAtMs: 0 });
}

export function removeKeyBeforeMove(tx: Tx): void {
  tx.run('DELETE FROM pair_secret WHERE name = ?', BEFORE_MOVE);
}

function read(reader: Reader, name: string): PreSharedKeyRow | undefined {
  return reader.get<PreSharedKeyRow>(
    'SELECT wrapped, check_value AS checkValue, changed_at_ms AS changedAtMs FROM pair_secret WHERE name = ?',
    name,
  );
}

function write(tx: Tx, name: string, row: PreSharedKeyRow): void {
  tx.run(
    `INSERT INTO pair_secret (name, wrapped, check_value, changed_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET wrapped = excluded.wrapped, check_value = excluded.check_value, changed_at_ms = excluded.changed_at_ms`,
    name,
    row.wrapped,
    row.checkValue,
    row.changedAtMs,
  );
}

/**
 * `asking` (the primary to be): offered → committed → done, or cancelled. `answering` (the backup to be): prepared → adopting → done, or cancelled. `committed` is
 * the decision: before it both stay as they were, after it both become a pair, whatever is cut.
 */
export type EstablishPhase = 'offered' | 'committed' | 'prepared' | 'adopting' | 'done' | 'cancelled';

export interface JournalRow {
  id: string;
  side: 'asking' | 'answering';
  phase: EstablishPhase;
  /** SHA-256 of the other side's pair key. */
  peerKey: string;
  /** JSON: establishOffer. */
  offer: string;
  /** JSON: PairPeer. */
  peer: string;
  /** Wrapped; only while they wait to be put in their places. */
  keys: Uint8Array | null;
  /** JSON: signedStatement. */
  statement: string | null;
  changedAtMs: number;
}

const COLUMNS = 'id, side, phase, peer_key AS peerKey, offer, peer, keys, statement, changed_at_ms AS changedAtMs';

export function readJournal(reader: Reader, id: string): JournalRow | undefined {
  return reader.get<JournalRow>(`SELECT ${COLUMNS} FROM pair_establishing WHERE id = ?`, id);
}

/** What is neither done nor cancelled, newest first. */
export function readUnfinished(reader: Reader): JournalRow[] {
  return reader.all<JournalRow>(
    `SELECT ${COLUMNS} FROM pair_establishing WHERE phase NOT IN ('done', 'cancelled') ORDER BY changed_at_ms DESC, id DESC`,
  );
}

export function writeJournal(tx: Tx, row: JournalRow): void {
  tx.run(
    `INSERT INTO pair_establishing (id, side, phase, peer_key, offer, peer, keys, statement, changed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET side = excluded.side, phase = excluded.phase, peer_key = excluded.peer_key, offer = excluded.offer, peer = excluded.peer,
       keys = excluded.keys, statement = excluded.statement, changed_at_ms = excluded.changed_at_ms`,
    row.id,
    row.side,
    row.phase,
    row.peerKey,
    row.offer,
    row.peer,
    row.keys,
    row.statement,
    row.changedAtMs,
  );
  tx.run(
    `DELETE FROM pair_establishing WHERE phase IN ('done', 'cancelled') AND id NOT IN
       (SELECT id FROM pair_establishing ORDER BY changed_at_ms DESC LIMIT ${KEPT_MAX})`,
  );
}

/** Takes note of the next phase; keys are forgotten with the last. */
export function writePhase(tx: Tx, id: string, phase: EstablishPhase, atMs: number): void {
  const over = phase === 'done' || phase === 'cancelled';
  tx.run(`UPDATE pair_establishing SET phase = ?, changed_at_ms = ?${over ? ', keys = NULL' : ''} WHERE id = ?`, phase, atMs, id);
}
