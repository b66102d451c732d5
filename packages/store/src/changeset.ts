/**
 * Reads the changesets of SQLite's session extension (sqlite.org/session, 'changeset format'): which tables they touch, and the rows they add. `applyChangeset` passes over a
 * table that is missing or has another shape in silence; who reads the changeset first notices.
 */
import { AppError } from '@bascule/errors/app-error.ts';
import type { SqlValue } from './transaction.ts';

const TABLE = 0x54;
const Operation = { delete: 9, insert: 18, update: 23 } as const;
const Value = { undefined: 0, integer: 1, real: 2, text: 3, blob: 4, null: 5 } as const;
/** SQLite allows no more columns by default. */
const COLUMNS_MAX = 2000;
const VARINT_MAX_BYTES = 5;

/** One table as a changeset describes it. */
export interface ChangedTable {
  name: string;
  columns: number;
  /** Places of the columns of the primary key. */
  key: number[];
}

type RowListener = (table: ChangedTable, row: SqlValue[]) => void;

/** The tables that `changeset` touches. Throws `STORE_LOG_BROKEN` for what is no changeset. */
export function changedTables(changeset: Uint8Array): ChangedTable[] {
  return new ChangesetReader(changeset).read();
}

/** The rows that `changeset` adds to `table`, values in the order of its columns. Throws `STORE_LOG_BROKEN` for what is no changeset. */
export function insertedRows(changeset: Uint8Array, table: string): SqlValue[][] {
  const rows: SqlValue[][] = [];
  new ChangesetReader(changeset).read((of, row) => {
    if (of.name === table) rows.push(row);
  });
  return rows;
}

class ChangesetReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(changeset: Uint8Array) {
    this.#bytes = Buffer.from(changeset.buffer, changeset.byteOffset, changeset.byteLength);
  }

  /** Walks through everything; `onInsert` gets the rows that are added. */
  read(onInsert?: RowListener): ChangedTable[] {
    const tables: ChangedTable[] = [];
    let table: ChangedTable | undefined;
    while (this.#at < this.#bytes.length) {
      const tag = this.#byte();
      if (tag === TABLE) {
        table = this.#table();
        tables.push(table);
      } else if (table === undefined) throw broken();
      else this.#change(tag, table, onInsert);
    }
    return tables;
  }

  #change(operation: number, table: ChangedTable, onInsert: RowListener | undefined): void {
    this.#skip(1); // whether the change was indirect
    if (operation === Operation.insert && onInsert !== undefined) {
      const row = Array.from({ length: table.columns }, () => this.#value());
      onInsert(table, row);
      return;
    }
    if (operation !== Operation.insert && operation !== Operation.delete && operation !== Operation.update) throw broken();
    const values = operation === Operation.update ? 2 * table.columns : table.columns;
    for (let count = 0; count < values; count += 1) this.#skipValue();
  }

  #table(): ChangedTable {
    const columns = this.#varint();
    if (columns < 1 || columns > COLUMNS_MAX) throw broken();
    const key: number[] = [];
    for (let column = 0; column < columns; column += 1) if (this.#byte() !== 0) key.push(column);
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw broken();
    const name = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return { name, columns, key };
  }

  #skipValue(): void {
    const type = this.#byte();
    if (type === Value.integer || type === Value.real) this.#skip(8);
    else if (type === Value.text || type === Value.blob) this.#skip(this.#varint());
    else if (type !== Value.undefined && type !== Value.null) throw broken();
  }

  #value(): SqlValue {
    const type = this.#byte();
    const from = this.#at;
    if (type === Value.integer || type === Value.real) {
      this.#skip(8);
      if (type === Value.real) return this.#bytes.readDoubleBE(from);
      const integer = this.#bytes.readBigInt64BE(from);
      return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
    }
    if (type === Value.text || type === Value.blob) {
      const length = this.#varint();
      const start = this.#at;
      this.#skip(length);
      return type === Value.text ? this.#bytes.toString('utf8', start, this.#at) : this.#bytes.subarray(start, this.#at);
    }
    if (type === Value.null) return null;
    throw broken();
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw broken();
    this.#at += 1;
    return byte;
  }

  #skip(length: number): void {
    this.#at += length;
    if (this.#at > this.#bytes.length) throw broken();
  }

  /** SQLite's varint of 32 bits: seven bits a byte, the highest first. */
  #varint(): number {
    let value = 0;
    for (let count = 0; count < VARINT_MAX_BYTES; count += 1) {
      const byte = this.#byte();
      value = value * 128 + (byte & 0x7f);
      if ((byte & 0x80) === 0) return value;
    }
    throw broken();
  }
}

function broken(): AppError {
  return new AppError(
    'conflict',
    'STORE_LOG_BROKEN',
    'An entry of the change log holds no changeset: nothing was changed. Take a snapshot.',
  );
}
