import type { ClientMode, ClientSoftware } from '@bascule/protocol/client-program.ts';
import type { ClientFacts } from '@bascule/protocol/control-link.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';
import type { TokenRules } from './installer-tokens.ts';

export type ClientState = 'waiting-for-approval' | 'approved' | 'to-be-confirmed' | 'revoked';

export interface ClientRow {
  id: string;
  name: string;
  groupId: string | null;
  groupName: string | null;
  state: ClientState;
  comment: string;
  hostName: string;
  os: string;
  arch: string;
  /** JSON list. */
  addresses: string;
  runsAs: string;
  version: string;
  tokenId: string | null;
  lastSeenAtMs: number | null;
  program: 'jump-client' | 'jumpoint';
  revision: string;
  mode: ClientMode;
  /** JSON list. */
  tags: string;
  /** JSON of what it last said about its software; empty when it never did. */
  software: string;
  duplicateName: number;
}

export interface TokenRow {
  id: string;
  lookup: string;
  secretSha256: string;
  name: string;
  groupId: string | null;
  groupName: string | null;
  createdBy: string;
  createdAtMs: number;
  validUntilMs: number;
  uses: number;
  usesLeft: number;
  approveEach: number;
  revoked: number;
}

const CLIENT_COLUMNS = `c.id, c.name, c.group_id AS groupId, g.name AS groupName, c.state, c.comment, c.host_name AS hostName, c.os, c.arch, c.addresses,
  c.runs_as AS runsAs, c.version, c.token_id AS tokenId, c.last_seen_at_ms AS lastSeenAtMs,
  c.program, c.revision, c.mode, c.tags, c.software`;
const TOKEN_COLUMNS = `t.id, t.lookup, t.secret_sha256 AS secretSha256, t.name, t.group_id AS groupId, g.name AS groupName, t.created_by AS createdBy,
  t.created_at_ms AS createdAtMs, t.valid_until_ms AS validUntilMs, t.uses, t.uses_left AS usesLeft, t.approve_each AS approveEach, t.revoked`;
/** Tokens shown in the list at most; older ones that are no longer valid fall off. */
const TOKEN_LIST_LIMIT = 500;

/** The row of one client, without the duplicate mark's cost when the caller needs no list entry. */
export function clientById(reader: Reader, id: string): ClientRow | undefined {
  return reader.get<ClientRow>(
    `SELECT ${CLIENT_COLUMNS}, EXISTS (SELECT 1 FROM jump_clients d WHERE d.name = c.name AND d.id <> c.id) AS duplicateName
     FROM jump_clients c LEFT JOIN jump_groups g ON g.id = c.group_id WHERE c.id = ?`,
    id,
  );
}

/** Whether the client was enrolled with a token of the system's own that is named so. */
export function isEnrolledBy(reader: Reader, id: string, tokenName: string): boolean {
  const sql = `SELECT 1 FROM jump_clients c JOIN jump_tokens t ON t.id = c.token_id WHERE c.id = ? AND t.name = ? AND t.created_by = 'system'`;
  return reader.get(sql, id, tokenName) !== undefined;
}

/** What is compared at every connect; without the joins of a list's row. */
export type AdmissionRow = Pick<
  ClientRow,
  'state' | 'hostName' | 'os' | 'arch' | 'addresses' | 'runsAs' | 'version' | 'lastSeenAtMs' | 'software'
>;

export function admissionOf(reader: Reader, id: string): AdmissionRow | undefined {
  return reader.get<AdmissionRow>(
    `SELECT state, host_name AS hostName, os, arch, addresses, runs_as AS runsAs, version, last_seen_at_ms AS lastSeenAtMs, software
     FROM jump_clients WHERE id = ?`,
    id,
  );
}

/** SHA-256 (hex) of the key (SPKI DER) that the client was enrolled, or first seen, with; undefined for one that is not known. */
export function keySha256Of(reader: Reader, id: string): string | undefined {
  return reader.get<{ sha256: string }>(`SELECT key_sha256 AS sha256 FROM jump_clients WHERE id = ?`, id)?.sha256;
}

/** The clients of these ids, in no order, without the duplicate mark. */
export function clientsById(reader: Reader, ids: readonly string[]): ClientRow[] {
  return reader.all<ClientRow>(
    `SELECT ${CLIENT_COLUMNS}, 0 AS duplicateName FROM json_each(?) wanted
     CROSS JOIN jump_clients c ON c.id = wanted.value LEFT JOIN jump_groups g ON g.id = c.group_id`,
    JSON.stringify(ids),
  );
}

/** The clients of these ids, in no order, as a list shows them. */
export function markedClientsById(reader: Reader, ids: readonly string[]): ClientRow[] {
  return reader.all<ClientRow>(
    `SELECT ${CLIENT_COLUMNS}, EXISTS (SELECT 1 FROM jump_clients d WHERE d.name = c.name AND d.id <> c.id) AS duplicateName
     FROM json_each(?) wanted CROSS JOIN jump_clients c ON c.id = wanted.value LEFT JOIN jump_groups g ON g.id = c.group_id`,
    JSON.stringify(ids),
  );
}

/** The next clients by id, without the duplicate mark. */
export function clientsAfter(reader: Reader, id: string, limit: number): ClientRow[] {
  return reader.all<ClientRow>(
    `SELECT ${CLIENT_COLUMNS}, 0 AS duplicateName
     FROM jump_clients c LEFT JOIN jump_groups g ON g.id = c.group_id WHERE c.id > ? ORDER BY c.id LIMIT ?`,
    id,
    limit,
  );
}

/** All clients, in one pass over both tables. */
export function allClients(reader: Reader): IterableIterator<ClientRow> {
  return reader.iterate<ClientRow>(
    `SELECT ${CLIENT_COLUMNS}, (n.name IS NOT NULL) AS duplicateName
     FROM jump_clients c LEFT JOIN jump_groups g ON g.id = c.group_id
     LEFT JOIN (SELECT name FROM jump_clients GROUP BY name HAVING count(*) > 1) n ON n.name = c.name`,
  );
}

export function clientIdByKey(
  reader: Reader,
  keySha256: string,
): { id: string; tokenId: string | null; state: ClientState } | undefined {
  return reader.get(
    `SELECT id, token_id AS tokenId, state FROM jump_clients WHERE key_sha256 = ? ORDER BY id DESC LIMIT 1`,
    keySha256,
  );
}

/** The only other client that is named so; undefined when there is none, or more than one. */
export function onlyOtherNamed(reader: Reader, name: string, id: string): string | undefined {
  const others = reader.all<{ id: string }>(`SELECT id FROM jump_clients WHERE name = ? AND id <> ? LIMIT 2`, name, id);
  return others.length === 1 ? others[0]!.id : undefined;
}

/** The mode that the site wants of the client, and whether it ever said what it runs as. */
export function modeOf(reader: Reader, id: string): { mode: ClientMode; isReported: number } | undefined {
  return reader.get(`SELECT mode, software <> '' AS isReported FROM jump_clients WHERE id = ?`, id);
}

export function countClients(reader: Reader): { total: number; waiting: number } {
  return reader.get<{ total: number; waiting: number }>(
    `SELECT count(*) AS total, coalesce(sum(state IN ('waiting-for-approval', 'to-be-confirmed')), 0) AS waiting FROM jump_clients`,
  )!;
}

/** An endpoint that a licence may be given to (B208), or that has one. */
export interface LicensableRow {
  id: string;
  name: string;
  hostName: string;
  state: ClientState;
}

const LICENSABLE = `SELECT id, name, host_name AS hostName, state FROM jump_clients WHERE program = 'jump-client' AND state <> 'revoked'`;

/** Jump Clients that are not revoked, oldest first. */
export function licensableClients(reader: Reader): LicensableRow[] {
  return reader.all<LicensableRow>(`${LICENSABLE} ORDER BY id`);
}

export function licensableClient(reader: Reader, id: string): LicensableRow | undefined {
  return reader.get<LicensableRow>(`${LICENSABLE} AND id = ?`, id);
}

export function countApprovedJumpClients(reader: Reader): number {
  const sql = `SELECT count(*) AS count FROM jump_clients WHERE program = 'jump-client' AND state = 'approved'`;
  return reader.get<{ count: number }>(sql)!.count;
}

export function countToBeConfirmed(reader: Reader): number {
  return reader.get<{ count: number }>(`SELECT count(*) AS count FROM jump_clients WHERE state = 'to-be-confirmed'`)!.count;
}

export function isDeleted(reader: Reader, id: string): boolean {
  return reader.get(`SELECT 1 AS one FROM jump_deleted_clients WHERE id = ?`, id) !== undefined;
}

export interface NewClient {
  id: string;
  name: string;
  groupId: string | null;
  state: ClientState;
  facts: ClientFacts;
  keySha256: string;
  tokenId: string | null;
  nowMs: number;
  /** What the installer of its token says. */
  rules?: Pick<TokenRules, 'program' | 'mode' | 'tags' | 'comment'>;
}

export function insertClient(tx: Tx, client: NewClient): void {
  tx.run(
    `INSERT INTO jump_clients (id, name, group_id, state, comment, host_name, os, arch, addresses, runs_as, version, key_sha256, token_id, enrolled_at_ms, last_seen_at_ms, program, mode, tags)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    client.id,
    client.name,
    client.groupId,
    client.state,
    client.rules?.comment ?? '',
    client.facts.hostName,
    client.facts.os,
    client.facts.arch,
    JSON.stringify(client.facts.addresses),
    client.facts.user,
    client.facts.version,
    client.keySha256,
    client.tokenId,
    client.nowMs,
    client.nowMs,
    client.rules?.program ?? 'jump-client',
    client.rules?.mode ?? 'active',
    JSON.stringify(client.rules?.tags ?? []),
  );
}

export function sameFacts(row: AdmissionRow, facts: ClientFacts): boolean {
  return (
    row.hostName === facts.hostName &&
    row.os === facts.os &&
    row.arch === facts.arch &&
    row.runsAs === facts.user &&
    row.version === facts.version &&
    row.addresses === JSON.stringify(facts.addresses)
  );
}

export function updateFacts(tx: Tx, id: string, facts: ClientFacts): void {
  tx.run(
    `UPDATE jump_clients SET host_name = ?, os = ?, arch = ?, addresses = ?, runs_as = ?, version = ? WHERE id = ?`,
    facts.hostName,
    facts.os,
    facts.arch,
    JSON.stringify(facts.addresses),
    facts.user,
    facts.version,
    id,
  );
}

/** What the client said about its software, as text to compare. Free space is left out: it changes all the time and is kept in memory. */
export function softwareText(software: ClientSoftware | undefined): string {
  return software === undefined ? '' : JSON.stringify({ ...software, freeBytes: null });
}

/** The mode is the site's, once the client has said the first time what it was installed as. */
export function updateSoftware(tx: Tx, id: string, software: ClientSoftware): void {
  tx.run(
    `UPDATE jump_clients SET program = ?, revision = ?, mode = CASE WHEN software = '' THEN ? ELSE mode END, software = ? WHERE id = ?`,
    software.program === 'jumpoint' ? 'jumpoint' : 'jump-client',
    software.revision,
    software.mode,
    softwareText(software),
    id,
  );
}

export function updateLastSeen(tx: Tx, id: string, atMs: number): void {
  tx.run(`UPDATE jump_clients SET last_seen_at_ms = ? WHERE id = ?`, atMs, id);
}

export interface ItemChange {
  name: string;
  groupId: string | null;
  comment: string;
  tags: string[];
  mode: ClientMode;
}

export function updateClient(tx: Tx, id: string, change: ItemChange): void {
  tx.run(
    `UPDATE jump_clients SET name = ?, group_id = ?, comment = ?, tags = ?, mode = ? WHERE id = ?`,
    change.name,
    change.groupId,
    change.comment,
    JSON.stringify(change.tags),
    change.mode,
    id,
  );
}

export function updateClientState(tx: Tx, id: string, state: ClientState): void {
  tx.run(`UPDATE jump_clients SET state = ? WHERE id = ?`, state, id);
}

/** Removes the client and remembers its id, so that its still valid certificate is refused instead of being listed as unknown. */
export function deleteClient(tx: Tx, client: { id: string; name: string }, nowMs: number): void {
  tx.run(`DELETE FROM jump_clients WHERE id = ?`, client.id);
  tx.run(`INSERT INTO jump_deleted_clients (id, name, deleted_at_ms) VALUES (?, ?, ?)`, client.id, client.name, nowMs);
}

export function groupNames(reader: Reader): { id: string; name: string }[] {
  return reader.all(`SELECT id, name FROM jump_groups ORDER BY name`);
}

export function groupName(reader: Reader, id: string): string | undefined {
  return reader.get<{ name: string }>(`SELECT name FROM jump_groups WHERE id = ?`, id)?.name;
}

export function groupIdByName(reader: Reader, name: string): string | undefined {
  return reader.get<{ id: string }>(`SELECT id FROM jump_groups WHERE name = ?`, name)?.id;
}

export function countInGroup(reader: Reader, id: string): number {
  return reader.get<{ count: number }>(`SELECT count(*) AS count FROM jump_clients WHERE group_id = ?`, id)!.count;
}

export function allGroupMembers(reader: Reader): { groupId: string; userId: string }[] {
  return reader.all(`SELECT group_id AS groupId, user_id AS userId FROM jump_group_members`);
}

export function groupIdsOfUser(reader: Reader, userId: string): string[] {
  return reader
    .all<{ groupId: string }>(`SELECT group_id AS groupId FROM jump_group_members WHERE user_id = ?`, userId)
    .map((row) => row.groupId);
}

export function insertGroup(tx: Tx, group: { id: string; name: string; nowMs: number }): void {
  tx.run(`INSERT INTO jump_groups (id, name, created_at_ms) VALUES (?, ?, ?)`, group.id, group.name, group.nowMs);
}

export function renameGroup(tx: Tx, id: string, name: string): void {
  tx.run(`UPDATE jump_groups SET name = ? WHERE id = ?`, name, id);
}

export function setGroupMembers(tx: Tx, id: string, userIds: readonly string[]): void {
  tx.run(`DELETE FROM jump_group_members WHERE group_id = ?`, id);
  for (const userId of new Set(userIds)) tx.run(`INSERT INTO jump_group_members (group_id, user_id) VALUES (?, ?)`, id, userId);
}

/** Deletes the group; its items and tokens keep existing, without a group. */
export function deleteGroup(tx: Tx, id: string): void {
  tx.run(`UPDATE jump_clients SET group_id = NULL WHERE group_id = ?`, id);
  tx.run(`UPDATE jump_tokens SET group_id = NULL WHERE group_id = ?`, id);
  tx.run(`DELETE FROM jump_group_members WHERE group_id = ?`, id);
  tx.run(`DELETE FROM jump_groups WHERE id = ?`, id);
}

export function tokenByLookup(reader: Reader, lookup: string): TokenRow | undefined {
  return reader.get<TokenRow>(
    `SELECT ${TOKEN_COLUMNS} FROM jump_tokens t LEFT JOIN jump_groups g ON g.id = t.group_id WHERE t.lookup = ?`,
    lookup,
  );
}

export function tokenById(reader: Reader, id: string): TokenRow | undefined {
  return reader.get<TokenRow>(
    `SELECT ${TOKEN_COLUMNS} FROM jump_tokens t LEFT JOIN jump_groups g ON g.id = t.group_id WHERE t.id = ?`,
    id,
  );
}

export function latestTokens(reader: Reader): TokenRow[] {
  return reader.all<TokenRow>(
    `SELECT ${TOKEN_COLUMNS} FROM jump_tokens t LEFT JOIN jump_groups g ON g.id = t.group_id ORDER BY t.id DESC LIMIT ${TOKEN_LIST_LIMIT}`,
  );
}

export function countValidTokens(reader: Reader, nowMs: number): number {
  return reader.get<{ count: number }>(
    `SELECT count(*) AS count FROM jump_tokens WHERE revoked = 0 AND uses_left > 0 AND valid_until_ms > ?`,
    nowMs,
  )!.count;
}

export function insertToken(tx: Tx, token: Omit<TokenRow, 'groupName' | 'usesLeft' | 'revoked'>): void {
  tx.run(
    `INSERT INTO jump_tokens (id, lookup, secret_sha256, name, group_id, created_by, created_at_ms, valid_until_ms, uses, uses_left, approve_each, revoked)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
    token.id,
    token.lookup,
    token.secretSha256,
    token.name,
    token.groupId,
    token.createdBy,
    token.createdAtMs,
    token.validUntilMs,
    token.uses,
    token.uses,
    token.approveEach,
  );
}

/** Takes one use; false when none is left (or the token was revoked), whatever a check before said. */
export function takeTokenUse(tx: Tx, id: string, nowMs: number): boolean {
  return (
    tx.run(
      `UPDATE jump_tokens SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0 AND revoked = 0 AND valid_until_ms > ?`,
      id,
      nowMs,
    ).changes === 1
  );
}

export function revokeToken(tx: Tx, id: string): void {
  tx.run(`UPDATE jump_tokens SET revoked = 1 WHERE id = ?`, id);
}
