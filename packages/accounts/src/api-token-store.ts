/** All SQL of API tokens. */
import type { Reader, Tx } from '@bascule/store/store.ts';

export interface ApiTokenRow {
  id: string;
  accountId: string;
  name: string;
  /** Scopes, separated by spaces. */
  scopes: string;
  lookup: string;
  secretSha256: string;
  createdAtMs: number;
  expiresAtMs: number;
  lastUsedAtMs: number | null;
}

const TOKEN = `SELECT id, account_id AS accountId, name, scopes, lookup, secret_sha256 AS secretSha256, created_at_ms AS createdAtMs,
  expires_at_ms AS expiresAtMs, last_used_at_ms AS lastUsedAtMs FROM api_tokens`;

export const tokenByLookup = (reader: Reader, lookup: string) => reader.get<ApiTokenRow>(`${TOKEN} WHERE lookup = ?`, lookup);
export const tokensOf = (reader: Reader, accountId: string) =>
  reader.all<ApiTokenRow>(`${TOKEN} WHERE account_id = ? ORDER BY id DESC`, accountId);

export function insertToken(tx: Tx, row: ApiTokenRow): void {
  tx.run(
    `INSERT INTO api_tokens (id, account_id, name, scopes, lookup, secret_sha256, created_at_ms, expires_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.accountId,
    row.name,
    row.scopes,
    row.lookup,
    row.secretSha256,
    row.createdAtMs,
    row.expiresAtMs,
  );
}

export const noteTokenUse = (tx: Tx, id: string, atMs: number) =>
  tx.run('UPDATE api_tokens SET last_used_at_ms = ? WHERE id = ?', atMs, id);
/** The token `id`, if it is one of that account; false when there is none. */
export const deleteToken = (tx: Tx, accountId: string, id: string) =>
  tx.run('DELETE FROM api_tokens WHERE account_id = ? AND id = ?', accountId, id).changes === 1;
export const deleteTokensOf = (tx: Tx, accountId: string) => tx.run('DELETE FROM api_tokens WHERE account_id = ?', accountId);
