/**
 * The audit: one hash chain per (appliance, epoch), opening with its predecessor's head, so that two histories can stand side by
 * side (docs/spec/audit-export.md). Events are written by `transact` only.
 */
import { createHash } from 'node:crypto';
import { newId } from '@bascule/core/ids.ts';
import type { Connection } from './connection.ts';
import type { AuditEvent, Context, JsonValue, Reader } from './transaction.ts';

export type { AuditEvent, JsonValue } from './transaction.ts';

export const GENESIS_HASH = '0'.repeat(64);
/** Rows that one call of `readAudit` gives at most. */
export const AUDIT_PAGE_MAX = 200;

/** One event as it is stored and exported; names, not only keys, so that it outlives what it names. */
export interface AuditRow {
  id: string;
  appliance: string;
  epoch: number;
  /** Position in the history: one more than the event before, also across epochs. */
  sequence: number;
  atMs: number;
  code: string;
  actorKind: string;
  actorId: string | null;
  actorName: string;
  address: string;
  summary: string;
  /** JSON, as it was hashed. */
  details: string;
  previousHash: string;
  hash: string;
}

const definedCodes = new Set<string>();
/** Codes of what the program notes by itself, all the time: in the chain and its export as any other, but not in a list that people read. */
const housekeepingCodes = new Set<string>();
/** Codes of what must not be lost with this appliance alone: reply and effects wait a moment for the peer. */
const waitingCodes = new Set<string>();
const CODE_PATTERN = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;
const COLUMNS =
  'id, appliance, epoch, sequence, at_ms AS atMs, code, actor_kind AS actorKind, actor_id AS actorId, actor_name AS actorName, address, summary, details, previous AS previousHash, hash';

/**
 * Defines an audit event once, at the top of a module. `code` is permanent and unique in the program (`USER_DISABLED`); `template` is
 * the English line, its `{name}` filled from the details: `Disabled user {name}`; `{uses:use,uses}` is a number with the first word for 1,
 * the second for any other. A name that the details lack is a bug and throws. `housekeeping`: not shown unless asked for. `waitsForPeer`: what would be dangerous or
 * embarrassing to lose with this appliance alone (revocations, logins, sessions, enrolments, rights): reply and effects wait a moment for a reachable peer, also in async mode.
 */
export function defineAuditEvent<Details extends Record<string, JsonValue> = Record<string, JsonValue>>(
  code: string,
  template: string,
  options: { housekeeping?: boolean; waitsForPeer?: boolean } = {},
): (details: Details) => AuditEvent {
  if (!CODE_PATTERN.test(code)) throw new Error(`bug: '${code}' is no audit code`);
  if (definedCodes.has(code)) throw new Error(`bug: the audit code ${code} is defined twice`);
  definedCodes.add(code);
  if (options.housekeeping === true) housekeepingCodes.add(code);
  if (options.waitsForPeer === true) waitingCodes.add(code);
  return (details) => {
    const summary = template.replace(
      /\{(\w+)(?::([^,}]+),([^}]+))?\}/g,
      (_, name: string, one: string | undefined, many: string | undefined) => {
        const value = details[name];
        if (value === undefined) throw new Error(`bug: the audit event ${code} lacks '${name}'`);
        const text = typeof value === 'string' ? value : JSON.stringify(value);
        return one === undefined ? text : `${text} ${value === 1 ? one : many}`;
      },
    );
    return { code, summary, details };
  };
}

/** Whether reply and effects of a transaction with this audit event wait for the peer. */
export function waitsForPeer(event: AuditEvent): boolean {
  return waitingCodes.has(event.code);
}

/** Codes of what people are not shown unless they ask for it. */
export function isHousekeeping(code: string): boolean {
  return housekeepingCodes.has(code);
}

/** audit-export 3.2: the hash of an event covers the event before and every field, as a JSON array. */
export function auditHash(record: Omit<AuditRow, 'hash'>): string {
  const { id, appliance, epoch, sequence, atMs, code, actorKind, actorId, actorName, address, summary, details, previousHash } =
    record;
  const text = JSON.stringify([
    'bascule-audit/1',
    previousHash,
    id,
    appliance,
    epoch,
    sequence,
    atMs,
    code,
    actorKind,
    actorId,
    actorName,
    address,
    summary,
    details,
  ]);
  return createHash('sha256').update(text).digest('hex');
}

interface ChainHead {
  appliance: string;
  epoch: number;
  sequence: number;
  hash: string;
}

const HEAD_OF_CHAIN =
  'SELECT sequence, hash FROM audit_event WHERE appliance = ? AND epoch = ? AND sequence < ? ORDER BY sequence DESC LIMIT 1';

/** The newest event of each chain; found chain by chain, however many events there are. */
export function auditChains(reader: Reader): ChainHead[] {
  const chains: ChainHead[] = [];
  type Name = { appliance: string; epoch: number };
  let name = reader.get<Name>('SELECT appliance, epoch FROM audit_event ORDER BY appliance, epoch LIMIT 1');
  while (name !== undefined) {
    const { appliance, epoch } = name;
    const head = reader.get<{ sequence: number; hash: string }>(HEAD_OF_CHAIN, appliance, epoch, Number.MAX_SAFE_INTEGER);
    if (head !== undefined) chains.push({ appliance, epoch, ...head });
    name = reader.get<Name>(
      'SELECT appliance, epoch FROM audit_event WHERE (appliance, epoch) > (?, ?) ORDER BY appliance, epoch LIMIT 1',
      appliance,
      epoch,
    );
  }
  return chains;
}

/** Events of one chain with a sequence above `after`, oldest first. */
export function readChain(
  reader: Reader,
  { appliance, epoch, after, limit }: { appliance: string; epoch: number; after: number; limit: number },
): AuditRow[] {
  return reader.all<AuditRow>(
    `SELECT ${COLUMNS} FROM audit_event WHERE appliance = ? AND epoch = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
    appliance,
    epoch,
    after,
    limit,
  );
}

/** The head of the chain that `appliance` goes on with in `epoch`: its own newest event, else the newest of any epoch up to it that is on no discarded branch. */
export function auditHead(reader: Reader, appliance: string, epoch: number): { sequence: number; hash: string } {
  const own = reader.get<{ sequence: number; hash: string }>(HEAD_OF_CHAIN, appliance, epoch, Number.MAX_SAFE_INTEGER);
  return own ?? predecessor(reader, epoch) ?? { sequence: 0, hash: GENESIS_HASH };
}

/** Only asked for when a chain opens: once an epoch. */
function predecessor(reader: Reader, epoch: number): { sequence: number; hash: string } | undefined {
  const discarded = new Map(
    reader
      .all<{ appliance: string; epoch: number; first: number }>(
        'SELECT appliance, epoch, from_sequence AS first FROM audit_branch',
      )
      .map((branch) => [JSON.stringify([branch.appliance, branch.epoch]), branch.first]),
  );
  const heads = auditChains(reader)
    .filter((chain) => chain.epoch <= epoch)
    .flatMap((chain) => {
      const first = discarded.get(JSON.stringify([chain.appliance, chain.epoch]));
      if (first === undefined) return [chain];
      const before = reader.get<{ sequence: number; hash: string }>(HEAD_OF_CHAIN, chain.appliance, chain.epoch, first);
      return before === undefined ? [] : [{ ...chain, ...before }];
    });
  return heads.toSorted((one, other) => other.epoch - one.epoch || other.sequence - one.sequence)[0];
}

/** Text that SQLite gives back exactly as it was hashed: no lone surrogates, no NUL. */
const storable = (text: string) => text.toWellFormed().replaceAll('\0', '\u{FFFD}');

/** Appends an event to the chain, within the transaction that is open on `connection`. Used by `transact` alone. */
export function appendAudit(
  connection: Connection,
  who: { appliance: string; epoch: number; atMs: number },
  context: Context,
  event: AuditEvent,
): void {
  const head = auditHead(connection, who.appliance, who.epoch);
  const unsealed = {
    id: newId('auditEvent', who.atMs),
    appliance: storable(who.appliance),
    epoch: who.epoch,
    sequence: head.sequence + 1,
    atMs: who.atMs,
    code: event.code,
    actorKind: context.actor.kind,
    actorId: context.actor.id,
    actorName: storable(context.actor.name),
    address: storable(context.address),
    summary: storable(event.summary),
    details: JSON.stringify(event.details),
    previousHash: head.hash,
  };
  const hash = auditHash(unsealed);
  connection.run(
    'INSERT INTO audit_event (id, appliance, epoch, sequence, at_ms, code, actor_kind, actor_id, actor_name, address, summary, details, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    unsealed.id,
    unsealed.appliance,
    unsealed.epoch,
    unsealed.sequence,
    unsealed.atMs,
    unsealed.code,
    unsealed.actorKind,
    unsealed.actorId,
    unsealed.actorName,
    unsealed.address,
    unsealed.summary,
    unsealed.details,
    unsealed.previousHash,
    hash,
  );
}

/**
 * Events newest first: at most `limit` (up to AUDIT_PAGE_MAX) with a sequence below `before`, whose code, summary, actor or address contains `text`
 * (ASCII letters in either case). Without `housekeeping: false` also those of housekeeping.
 */
export function readAudit(
  reader: Reader,
  options: { before?: number | undefined; limit: number; text?: string | undefined; housekeeping?: boolean | undefined },
): AuditRow[] {
  const pattern = `%${(options.text ?? '').replace(/[\\%_]/g, '\\$&')}%`;
  return reader.all<AuditRow>(
    `SELECT ${COLUMNS} FROM audit_event WHERE sequence < ?1 AND (?2 = '%%' OR code LIKE ?2 ESCAPE '\\' OR summary LIKE ?2 ESCAPE '\\' OR actor_name LIKE ?2 ESCAPE '\\' OR address LIKE ?2 ESCAPE '\\')
       AND code NOT IN (SELECT value FROM json_each(?4))
     ORDER BY sequence DESC, epoch DESC, appliance DESC LIMIT ?3`,
    options.before ?? Number.MAX_SAFE_INTEGER,
    pattern,
    Math.min(Math.max(1, options.limit), AUDIT_PAGE_MAX),
    JSON.stringify(options.housekeeping === false ? [...housekeepingCodes] : []),
  );
}

/** An identity before the one in force; the one after it has signed that it was so (audit-export 2.6). */
export interface ExportedIdentity {
  certificatePem: string;
  sinceMs: number;
  endedAtMs: number;
  /** Base64. */
  vouch: string;
}

/**
 * The whole audit as JSON lines (each with its newline) that `npm run verify` checks (audit-export 2): a header, the certificate that the heads are signed with and those before it (newest first), one line
 * per event, oldest first, with the signed heads between them, and an end line with the SHA-256 of all before it. A file without the end line was cut.
 */
export function* exportAudit(
  reader: Reader,
  identityPem?: string,
  former: readonly ExportedIdentity[] = [],
): IterableIterator<string> {
  const whole = createHash('sha256');
  const seal = (value: unknown) => {
    const line = `${JSON.stringify(value)}\n`;
    whole.update(line);
    return line;
  };
  yield seal({ format: former.length === 0 ? 'bascule-audit/2' : 'bascule-audit/3' });
  if (identityPem !== undefined) yield seal({ identity: identityPem });
  for (const { certificatePem, sinceMs, endedAtMs, vouch } of former)
    yield seal({ former: { certificate: certificatePem, sinceMs, endedAtMs, signature: vouch } });
  let events = 0;
  let head = GENESIS_HASH;
  const heads = new SignedHeads(reader);
  for (const record of reader.iterate<AuditRow>(`SELECT ${COLUMNS} FROM audit_event ORDER BY sequence, epoch, appliance`)) {
    // A head comes before the first event that it does not cover: who reads the file needs to remember the newest event of each chain alone.
    for (const signed of heads.before(record.sequence)) yield seal(signed);
    yield seal(record);
    events += 1;
    head = record.hash;
  }
  for (const signed of heads.before(Number.MAX_SAFE_INTEGER)) yield seal(signed);
  yield `${JSON.stringify({ end: { events, head, sha256: whole.digest('hex') } })}\n`;
}

interface HeadRow {
  sequence: number;
  statement: string;
  signature: Uint8Array;
}

/** The signed heads as lines of an export, in the order of the events that they name. */
class SignedHeads {
  readonly #rows: IterableIterator<HeadRow>;
  #next: HeadRow | undefined;

  constructor(reader: Reader) {
    // Sorted, hence read, at this moment: a head that is signed while the export goes on may name an event that the export does not reach.
    this.#rows = reader.iterate<HeadRow>(
      "SELECT statement ->> '$.audit.sequence' AS sequence, statement, signature FROM audit_head ORDER BY sequence, at_ms, id",
    );
    this.#advance();
  }

  *before(sequence: number): IterableIterator<{ head: { statement: string; signature: string } }> {
    for (; this.#next !== undefined && this.#next.sequence < sequence; this.#advance()) {
      const { statement, signature } = this.#next;
      yield { head: { statement, signature: Buffer.from(signature).toString('base64') } };
    }
  }

  #advance(): void {
    const { value, done } = this.#rows.next();
    this.#next = done === true ? undefined : (value as HeadRow);
  }
}
