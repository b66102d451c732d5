/** Two histories of one site side by side (I5, B136): what the discarded one holds of audit and finished sessions is taken into the one that goes on. */
import { AppError } from '@bascule/errors/app-error.ts';
import { auditChains, auditHash, defineAuditEvent, GENESIS_HASH, readChain, type AuditRow } from './audit.ts';
import { LOCAL_TABLES } from './local-tables.ts';
import { tableColumns } from './schema.ts';
import type { Store } from './store.ts';
import type { Context, Reader, SqlValue, Tx } from './transaction.ts';

/** Rows of one transaction: other work goes on between two, and an entry of the change log stays far below its limit. */
const BATCH_ROWS = 500;
const BATCH_BYTES = 4 * 1024 * 1024;

/** The one that verify reads (audit-export 5.2): its details say which branch was discarded. */
const branchMerged = defineAuditEvent<Branch & { branch: string }>(
  'AUDIT_BRANCH_MERGED',
  'Took the discarded history of {branch} into the audit: events {fromSequence} to {toSequence}',
);
const rowsMerged = defineAuditEvent<{ rows: number; branch: string }>(
  'AUDIT_ROWS_MERGED',
  'Took {rows:event,events} of the discarded history of {branch} into the audit',
  { housekeeping: true },
);
const historyUnited = defineAuditEvent<{ rows: number; table: string }>(
  'HISTORY_ROWS_UNITED',
  'Took {rows:row,rows} of {table} over from the other appliance',
);

/** Events of one chain that the history which goes on does not follow. */
export type Branch = {
  appliance: string;
  epoch: number;
  fromSequence: number;
  toSequence: number;
  /** Hash of the last of them. */
  head: string;
};

type Row = Record<string, SqlValue>;

export interface MergedAudit {
  /** Events that are here now and were not before. */
  events: number;
  branches: Branch[];
  /** Chains that were not taken: they go on otherwise here under the same appliance and epoch, or from nothing that is here. They stay in the archive. */
  left: { appliance: string; epoch: number; reason: 'collides' | 'unconnected' }[];
}

/**
 * Takes the audit events of `from` (an archived database) that `to` lacks into `to`, as branches beside its own chain, with the signed heads over them; `to` remembers that its own
 * history does not go on from them. Every event is checked before. Harmless when done again, or after a cut. Rejects with `STORE_AUDIT_BROKEN` when `from` holds an event that does
 * not fit its hash or the one before it, and what `transact` throws.
 */
export async function mergeAudit(to: Store, context: Context, from: Reader): Promise<MergedAudit> {
  const merged: MergedAudit = { events: 0, branches: [], left: [] };
  const chains = auditChains(from).toSorted((one, other) => one.epoch - other.epoch || one.sequence - other.sequence);
  for (const chain of chains) {
    const { appliance, epoch } = chain;
    const start = missingFrom(to, from, chain);
    if (start === undefined) continue;
    if (typeof start === 'string') {
      merged.left.push({ appliance, epoch, reason: start });
      continue;
    }
    const branch: Branch = { appliance, epoch, fromSequence: start.first, toSequence: chain.sequence, head: chain.hash };
    merged.events += await mergeChain(to, context, from, branch, start.previousHash);
    merged.branches.push(branch);
  }
  await mergeHeads(to, context, from);
  return merged;
}

/** Where the events of a chain begin that `to` lacks, undefined when it lacks none, or why they cannot be taken. */
function missingFrom(
  to: Reader,
  from: Reader,
  chain: { appliance: string; epoch: number; sequence: number; hash: string },
): { first: number; previousHash: string } | 'collides' | 'unconnected' | undefined {
  const { appliance, epoch } = chain;
  const hashAt = (reader: Reader, sequence: number) =>
    reader.get<{ hash: string }>(
      'SELECT hash FROM audit_event WHERE appliance = ? AND epoch = ? AND sequence = ?',
      appliance,
      epoch,
      sequence,
    )?.hash;
  const own = auditChains(to).find((candidate) => candidate.appliance === appliance && candidate.epoch === epoch);
  if (own !== undefined) {
    if (own.sequence >= chain.sequence) return hashAt(to, chain.sequence) === chain.hash ? undefined : 'collides';
    return hashAt(from, own.sequence) === own.hash ? { first: own.sequence + 1, previousHash: own.hash } : 'collides';
  }
  const [opening] = readChain(from, { appliance, epoch, after: 0, limit: 1 });
  if (opening === undefined) return undefined;
  const isConnected =
    opening.previousHash !== GENESIS_HASH &&
    to.get('SELECT 1 FROM audit_event WHERE sequence = ? AND hash = ?', opening.sequence - 1, opening.previousHash);
  return isConnected ? { first: opening.sequence, previousHash: opening.previousHash } : 'unconnected';
}

async function mergeChain(to: Store, context: Context, from: Reader, branch: Branch, opensWith: string): Promise<number> {
  const { appliance, epoch } = branch;
  const name = `${appliance}, epoch ${epoch}`;
  let previousHash = opensWith;
  let after = branch.fromSequence - 1;
  let count = 0;
  while (after < branch.toSequence) {
    const rows = withinBytes(readChain(from, { appliance, epoch, after, limit: BATCH_ROWS }));
    for (const row of rows) {
      const { hash, ...unsealed } = row;
      if (row.sequence !== (after += 1) || row.previousHash !== previousHash || auditHash(unsealed) !== hash)
        throw broken(row, name);
      previousHash = hash;
    }
    if (rows.length === 0) throw new Error('bug: a chain ends before its last event');
    const event =
      after < branch.toSequence ? rowsMerged({ rows: rows.length, branch: name }) : branchMerged({ ...branch, branch: name });
    to.transact(context, event, (tx) => {
      noteBranch(tx, branch);
      for (const row of rows) insertEvent(tx, row);
    });
    count += rows.length;
    await nextTurn();
  }
  return count;
}

/** So that the next epoch of this history does not go on from the branch. After a cut the branch is noted from its first event on. */
function noteBranch(tx: Tx, branch: Branch): void {
  tx.run(
    `INSERT INTO audit_branch (appliance, epoch, from_sequence, to_sequence, head) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (appliance, epoch) DO UPDATE SET to_sequence = excluded.to_sequence, head = excluded.head`,
    branch.appliance,
    branch.epoch,
    branch.fromSequence,
    branch.toSequence,
    branch.head,
  );
}

function insertEvent(tx: Tx, row: AuditRow): void {
  tx.run(
    'INSERT INTO audit_event (id, appliance, epoch, sequence, at_ms, code, actor_kind, actor_id, actor_name, address, summary, details, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    row.id,
    row.appliance,
    row.epoch,
    row.sequence,
    row.atMs,
    row.code,
    row.actorKind,
    row.actorId,
    row.actorName,
    row.address,
    row.summary,
    row.details,
    row.previousHash,
    row.hash,
  );
}

/** Signed heads that name an event which is here; their signatures are checked by whoever reads an export. */
async function mergeHeads(to: Store, context: Context, from: Reader): Promise<void> {
  const statementNamesOurs = `EXISTS (SELECT 1 FROM audit_event WHERE sequence = ?1 AND hash = ?2)`;
  const heads = from
    .all<Row>('SELECT id, at_ms, statement, signature FROM audit_head')
    .filter(({ id }) => to.get('SELECT 1 FROM audit_head WHERE id = ?', id ?? null) === undefined)
    .filter(({ statement }) => {
      const named = auditOf(String(statement));
      return named !== undefined && to.get(`SELECT 1 WHERE ${statementNamesOurs}`, named.sequence, named.hash) !== undefined;
    });
  await insertInBatches(to, context, 'audit_head', ['id', 'at_ms', 'statement', 'signature'], heads);
}

function auditOf(statement: string): { sequence: number; hash: string } | undefined {
  const { audit } = JSON.parse(statement) as { audit?: { sequence?: unknown; hash?: unknown } };
  const { sequence, hash } = audit ?? {};
  return typeof sequence === 'number' && typeof hash === 'string' ? { sequence, hash } : undefined;
}

/**
 * Adds the rows of `from`'s `tables` whose primary key `to` lacks; rows that are here stay as they are (session history is a union by id, configuration the primary's). Columns that
 * one side lacks are passed over. In change-logged transactions of a bounded size; harmless when done again. Resolves with how many rows were added.
 */
export async function unionRows(to: Store, context: Context, from: Reader, tables: string[]): Promise<number> {
  let added = 0;
  for (const table of tables) {
    if ((LOCAL_TABLES as readonly string[]).includes(table) || table.startsWith('audit_'))
      throw new Error(`bug: the rows of ${table} are no history of sessions`);
    const { columns: theirs } = tableColumns(from, table);
    const { columns: ours, key } = tableColumns(to, table);
    const columns = theirs.filter((column) => ours.includes(column));
    if (columns.length === 0) continue;
    const missing = missingRows(to, from, { table, columns, key });
    added += await insertInBatches(to, context, table, columns, missing);
  }
  return added;
}

function* missingRows(
  to: Reader,
  from: Reader,
  { table, columns, key }: { table: string; columns: string[]; key: string[] },
): IterableIterator<Row> {
  const isHere = `SELECT 1 FROM ${list([table])} WHERE ${key.map((column) => `${list([column])} = ?`).join(' AND ')}`;
  for (const row of from.iterate<Row>(`SELECT ${list(columns)} FROM ${list([table])} ORDER BY ${list(key)}`))
    if (to.get(isHere, ...key.map((column) => row[column] ?? null)) === undefined) yield row;
}

async function insertInBatches(
  to: Store,
  context: Context,
  table: string,
  columns: string[],
  rows: Iterable<Row>,
): Promise<number> {
  // A row that meets another unique value of ours is not taken: it stays in the archive.
  const insert = `INSERT INTO ${list([table])} (${list(columns)}) VALUES (${columns.map(() => '?').join(', ')}) ON CONFLICT DO NOTHING`;
  let added = 0;
  let batch: Row[] = [];
  const flush = async () => {
    const taken = batch;
    batch = [];
    if (taken.length === 0) return;
    added += to.transact(
      context,
      (count: number) => historyUnited({ rows: count, table }),
      (tx) => taken.reduce((sum, row) => sum + tx.run(insert, ...columns.map((column) => row[column] ?? null)).changes, 0),
    );
    await nextTurn();
  };
  for (const row of rows) {
    batch.push(row);
    if (batch.length >= BATCH_ROWS) await flush();
  }
  await flush();
  return added;
}

function withinBytes(rows: AuditRow[]): AuditRow[] {
  let bytes = 0;
  const end = rows.findIndex((row) => (bytes += row.details.length + row.summary.length) > BATCH_BYTES);
  return end < 0 ? rows : rows.slice(0, Math.max(1, end));
}

const list = (names: string[]): string => names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

function broken(row: AuditRow, chain: string): AppError {
  return new AppError(
    'conflict',
    'STORE_AUDIT_BROKEN',
    `The audit event ${row.sequence} of ${chain} does not fit its hash or the event before it; it was not taken over.`,
  );
}
