import type { Reader, Tx } from '@bascule/store/store.ts';
import type { z } from 'zod';

/** Settings that are one document in box.db, such as the TLS versions. */
export class BoxDocument<T> {
  readonly #name: string;
  readonly #schema: z.ZodType<T>;
  readonly #initial: T;

  /** `name` is for ever; `initial` is what holds until somebody changes it. */
  constructor(name: string, schema: z.ZodType<T>, initial: T) {
    this.#name = name;
    this.#schema = schema;
    this.#initial = initial;
  }

  get schema(): z.ZodType<T> {
    return this.#schema;
  }

  read(reader: Reader): T {
    const row = reader.get<{ value: string }>('SELECT value FROM box_documents WHERE name = ?', this.#name);
    return row === undefined ? this.#initial : this.#schema.parse(JSON.parse(row.value));
  }

  write(tx: Tx, value: T): void {
    tx.run(
      'INSERT INTO box_documents (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      this.#name,
      JSON.stringify(value),
    );
  }
}
