import type { ClientMode } from '@bascule/protocol/client-program.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

/** Installers shown in the list at most; older ones fall off. */
export const INSTALLER_LIST_LIMIT = 500;

export interface InstallerRow {
  id: string;
  tokenId: string;
  program: 'jump-client' | 'jumpoint';
  name: string;
  mode: ClientMode;
  /** JSON list. */
  tags: string;
  comment: string;
  isGeneric: number;
  /** Of the programs in it. */
  version: string;
  createdBy: string;
  createdAtMs: number;
  /** The key, wrapped by the key of this installation; null for generic installers, and once the key is of no use any more. */
  wrappedKey: Uint8Array | null;
  /** SHA-256 of the site identity's certificate that its key pins. */
  identitySha256: string;
}

/** A row with what its token says. */
export interface ListedInstaller extends InstallerRow {
  groupName: string | null;
  validUntilMs: number;
  uses: number;
  usesLeft: number;
  revoked: number;
}

const COLUMNS = `i.id, i.token_id AS tokenId, i.program, i.name, i.mode, i.tags, i.comment, i.is_generic AS isGeneric, i.version,
  i.created_by AS createdBy, i.created_at_ms AS createdAtMs, i.wrapped_key AS wrappedKey, i.identity_sha256 AS identitySha256,
  g.name AS groupName, t.valid_until_ms AS validUntilMs, t.uses, t.uses_left AS usesLeft, t.revoked`;
const FROM = `FROM installers i JOIN jump_tokens t ON t.id = i.token_id LEFT JOIN jump_groups g ON g.id = t.group_id`;

export function insertInstaller(tx: Tx, row: InstallerRow): void {
  tx.run(
    `INSERT INTO installers (id, token_id, program, name, mode, tags, comment, is_generic, version, created_by, created_at_ms, wrapped_key, identity_sha256)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.tokenId,
    row.program,
    row.name,
    row.mode,
    row.tags,
    row.comment,
    row.isGeneric,
    row.version,
    row.createdBy,
    row.createdAtMs,
    row.wrappedKey,
    row.identitySha256,
  );
}

export function installerById(reader: Reader, id: string): ListedInstaller | undefined {
  return reader.get<ListedInstaller>(`SELECT ${COLUMNS} ${FROM} WHERE i.id = ?`, id);
}

export function installerByToken(reader: Reader, tokenId: string): ListedInstaller | undefined {
  return reader.get<ListedInstaller>(`SELECT ${COLUMNS} ${FROM} WHERE i.token_id = ?`, tokenId);
}

export function latestInstallers(reader: Reader): ListedInstaller[] {
  return reader.all<ListedInstaller>(`SELECT ${COLUMNS} ${FROM} ORDER BY i.id DESC LIMIT ${INSTALLER_LIST_LIMIT}`);
}

/** Installers whose tokens would still enrol somebody: at most as many as there may be valid tokens. */
export function usableInstallers(reader: Reader, nowMs: number): ListedInstaller[] {
  return reader.all<ListedInstaller>(
    `SELECT ${COLUMNS} ${FROM} WHERE t.revoked = 0 AND t.uses_left > 0 AND t.valid_until_ms > ? ORDER BY i.id DESC`,
    nowMs,
  );
}

/** Installers whose keys are still kept. */
export function keptKeys(reader: Reader): ListedInstaller[] {
  return reader.all<ListedInstaller>(`SELECT ${COLUMNS} ${FROM} WHERE i.wrapped_key IS NOT NULL`);
}

export function forgetKey(tx: Tx, id: string): void {
  tx.run(`UPDATE installers SET wrapped_key = NULL WHERE id = ?`, id);
}
