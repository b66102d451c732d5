/** Signed statements about the heads of both chains (audit-export 1.3). */
import { uuidv7 } from '@bascule/core/ids.ts';
import { auditHead } from './audit.ts';
import { logHead } from './change-log.ts';
import type { Connection } from './connection.ts';
import type { Reader } from './transaction.ts';

/** A statement about the heads of both chains, and its signature. */
export interface SignedHead {
  atMs: number;
  /** The JSON text whose UTF-8 bytes are signed. */
  statement: string;
  signature: Uint8Array;
}

/** Signs and stores the heads as they are, within the transaction that is open on `connection`. */
export function insertHead(
  connection: Connection,
  { appliance, epoch, atMs }: { appliance: string; epoch: number; atMs: number },
  sign: (bytes: Uint8Array) => Uint8Array,
): SignedHead {
  const audit = auditHead(connection, appliance, epoch);
  const log = logHead(connection);
  const statement = JSON.stringify({
    format: 'bascule-head/1',
    appliance,
    epoch,
    atMs,
    audit: { sequence: audit.sequence, hash: audit.hash },
    changeLog: { seq: log.seq, hash: Buffer.from(log.hash).toString('hex') },
  });
  const signature = sign(Buffer.from(statement));
  connection.run(
    'INSERT INTO audit_head (id, at_ms, statement, signature) VALUES (?, ?, ?, ?)',
    uuidv7(atMs),
    atMs,
    statement,
    signature,
  );
  return { atMs, statement, signature };
}

/** The newest signed heads, if any were signed yet. */
export function newestHead(reader: Reader): SignedHead | undefined {
  return reader.get<SignedHead>(
    'SELECT at_ms AS atMs, statement, signature FROM audit_head ORDER BY at_ms DESC, id DESC LIMIT 1',
  );
}
