import { createHash } from 'node:crypto';
import type { Connection } from './connection.ts';
import { tableColumns } from './schema.ts';
import type { SqlValue } from './transaction.ts';

const TYPE = { null: 0, integer: 1, real: 2, text: 3, blob: 4 } as const;

/**
 * SHA-256 (hex) over the columns' names and all rows of `table` in the order of its primary key, every value with type and length:
 * equal on two appliances exactly when the table is. A real zero and an integer zero differ.
 */
export function contentHash(connection: Connection, table: string): string {
  const { columns, key } = tableColumns(connection, table);
  if (columns.length === 0) throw new Error(`bug: there is no table '${table}'`);
  const list = (names: string[]) => names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ');
  const hash = createHash('sha256').update(JSON.stringify([table, columns, key]));
  for (const row of connection.iterateExactly(`SELECT ${list(columns)} FROM ${list([table])} ORDER BY ${list(key)}`)) {
    for (const value of row) hash.update(encode(value));
  }
  return hash.digest('hex');
}

function encode(value: SqlValue): Buffer {
  if (value === null) return tagged(TYPE.null, Buffer.alloc(0));
  if (typeof value === 'string') return tagged(TYPE.text, Buffer.from(value));
  if (value instanceof Uint8Array) return tagged(TYPE.blob, value);
  const number = Buffer.alloc(8);
  if (typeof value === 'bigint') {
    number.writeBigInt64BE(value);
    return tagged(TYPE.integer, number);
  }
  number.writeDoubleBE(value);
  return tagged(TYPE.real, number);
}

function tagged(type: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(type, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
