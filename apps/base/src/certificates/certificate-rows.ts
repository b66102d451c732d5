import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { HANDED, SELF_MADE, type CertificateUse } from '@bascule/protocol/api/certificates.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';
import { z } from 'zod';

const KEY_PURPOSE = 'certificate-key';
const SETTING = {
  write: 'INSERT INTO certificate_settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  read: 'SELECT value FROM certificate_settings WHERE name = ?',
};
const COLUMNS = 'id, source, chain, private_key AS privateKey, key_sha256 AS keySha256, request, added_at_ms AS addedAtMs';

/** One certificate of box.db. A row holds key and certificate together, so that no crash leaves a key beside another's certificate. */
export interface CertificateRow {
  id: string;
  source: 'imported' | 'request' | 'acme';
  /** PEM, the own one first; null while it is awaited. */
  chain: string | null;
  /** PKCS#8 (PEM), wrapped; null: missing. */
  privateKey: Uint8Array | null;
  keySha256: string;
  /** PEM of the request by which it was asked for. */
  request: string | null;
  addedAtMs: number;
}

/** How certificates are used, as stored. */
const storedUse = z.object({
  default: z.string(),
  byName: z.array(z.string()),
  addresses: z.array(z.object({ address: z.string(), certificate: z.string() })),
});
/** Until somebody chooses: the self-made one (B13, "factory default"). */
export const FIRST_USE: CertificateUse = { default: SELF_MADE, byName: [], addresses: [] };

/** Reads and writes rows; private keys are wrapped by the box's key (`box/account.key`). */
export class CertificateRows {
  readonly #wrap: () => KeyWrap;

  constructor(keyFile: string) {
    let wrap: KeyWrap | undefined;
    this.#wrap = () => (wrap ??= openKeyWrap(keyFile));
  }

  all(reader: Reader): CertificateRow[] {
    return reader.all<CertificateRow>(`SELECT ${COLUMNS} FROM certificates ORDER BY added_at_ms, id`);
  }

  get(reader: Reader, id: string): CertificateRow | undefined {
    return reader.get<CertificateRow>(`SELECT ${COLUMNS} FROM certificates WHERE id = ?`, id);
  }

  /** Writes the row whole; `key` in PEM, or null. */
  put(tx: Tx, row: Omit<CertificateRow, 'privateKey'>, key: string | null): void {
    tx.run(
      `INSERT INTO certificates (id, source, chain, private_key, key_sha256, request, added_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET source = excluded.source, chain = excluded.chain, private_key = excluded.private_key,
         key_sha256 = excluded.key_sha256, request = excluded.request, added_at_ms = excluded.added_at_ms`,
      row.id,
      row.source,
      row.chain,
      key === null ? null : this.#wrap().wrap(Buffer.from(key), KEY_PURPOSE),
      row.keySha256,
      row.request,
      row.addedAtMs,
    );
  }

  remove(tx: Tx, id: string): void {
    tx.run('DELETE FROM certificates WHERE id = ?', id);
  }

  /** The private key (PKCS#8, PEM); undefined when it is missing. Throws `KEY_WRAP_FAILED`. */
  keyOf({ privateKey }: Pick<CertificateRow, 'privateKey'>): string | undefined {
    return privateKey === null ? undefined : Buffer.from(this.#wrap().unwrap(privateKey, KEY_PURPOSE)).toString();
  }

  use(reader: Reader): CertificateUse {
    return this.setting(reader, 'use', storedUse) ?? FIRST_USE;
  }

  setting<T>(reader: Reader, name: string, schema: z.ZodType<T>): T | undefined {
    const row = reader.get<{ value: string }>(SETTING.read, name);
    return row === undefined ? undefined : schema.parse(JSON.parse(row.value));
  }

  putSetting(tx: Tx, name: string, value: unknown): void {
    tx.run(SETTING.write, name, JSON.stringify(value));
  }

  /** When this very certificate, and its key, left by an export. */
  exportOf(reader: Reader, sha256: string): { atMs: number; keyAtMs: number | null } | undefined {
    return reader.get('SELECT at_ms AS atMs, key_at_ms AS keyAtMs FROM certificate_exports WHERE sha256 = ?', sha256);
  }

  noteExport(tx: Tx, sha256: string, atMs: number, withKey: boolean): void {
    tx.run(
      `INSERT INTO certificate_exports (sha256, at_ms, key_at_ms) VALUES (?, ?, ?)
       ON CONFLICT (sha256) DO UPDATE SET at_ms = excluded.at_ms, key_at_ms = COALESCE(excluded.key_at_ms, key_at_ms)`,
      sha256,
      atMs,
      withKey ? atMs : null,
    );
  }

  wrapSecret(secret: Uint8Array, purpose: string): Uint8Array {
    return this.#wrap().wrap(secret, purpose);
  }

  unwrapSecret(wrapped: Uint8Array, purpose: string): Buffer {
    return Buffer.from(this.#wrap().unwrap(wrapped, purpose));
  }
}

/** Whether a row's or one of the two that always are there. */
export function isFixed(id: string): boolean {
  return id === SELF_MADE || id === HANDED;
}
