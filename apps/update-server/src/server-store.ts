/** All SQL of the update server. */
import { uuidv7 } from '@bascule/core/ids.ts';
import type { Log } from '@bascule/log/log.ts';
import { mailMigrations } from '@bascule/mail/mailer.ts';
import type { Language } from '@bascule/protocol/api/common.ts';
import type { PackageKind } from '@bascule/protocol/package-manifest.ts';
import { Store, type Reader, type Tx } from '@bascule/store/store.ts';
import { serverMigrations } from './server-migrations.ts';

/** An appliance that may ask. `id`: SHA-256 of its public key. */
export interface Appliance {
  id: string;
  name: string;
  /** base64 of the SPKI. */
  publicKey: string;
  ring: string;
  /** The licence holder whose licences are for it; empty: of whoever. */
  holder: string;
  /** E-mail address; empty for none. */
  contact: string;
  language: Language;
  maintainedUntilMs: number | null;
  registeredAtMs: number;
  seenAtMs: number | null;
  /** From where it asked then; empty before. */
  seenAddress: string;
  /** JSON of what it said that it has, when it asked last. */
  installed: string | null;
}

/** From when on a release is offered; to one appliance, to a ring, or (both null) to all. */
export interface ScheduleEntry {
  id: string;
  package: PackageKind;
  version: string;
  applianceId: string | null;
  ring: string | null;
  fromMs: number;
}

/** One line of the ledger of downloads. */
export interface Download {
  atMs: number;
  /** Null for static files: they are served to anybody. */
  applianceId: string | null;
  /** For static files that of the appliance that asked from the same address, or empty. */
  applianceName: string;
  address: string;
  way: 'bundle' | 'mirror';
  target: string;
  bytes: number;
  /** 1: to the last byte. */
  isWhole: 0 | 1;
}

const APPLIANCE = `id, name, public_key AS publicKey, ring, holder, contact, language, maintained_until_ms AS maintainedUntilMs,
  registered_at_ms AS registeredAtMs, seen_at_ms AS seenAtMs, seen_address AS seenAddress, installed`;
const SCHEDULE = 'id, package, version, appliance_id AS applianceId, ring, from_ms AS fromMs';
const DOWNLOAD = `at_ms AS atMs, appliance_id AS applianceId, appliance_name AS applianceName, address, way, target, bytes, is_whole AS isWhole`;

/** Opens (and makes) the state database. `server` names the update server in the audit. */
export function openServerStore(options: { path: string; server: string; log: Log; now?: () => number }): Store {
  const { server, ...rest } = options;
  return Store.open({ ...rest, appliance: server, migrations: [...mailMigrations, ...serverMigrations] });
}

export function listAppliances(reader: Reader): Appliance[] {
  return reader.all<Appliance>(`SELECT ${APPLIANCE} FROM appliance ORDER BY name, id`);
}

export function applianceById(reader: Reader, id: string): Appliance | undefined {
  return reader.get<Appliance>(`SELECT ${APPLIANCE} FROM appliance WHERE id = ?`, id);
}

export function applianceByName(reader: Reader, name: string): Appliance | undefined {
  return reader.get<Appliance>(`SELECT ${APPLIANCE} FROM appliance WHERE name = ?`, name);
}

/** The only appliance that asked from `address` since `sinceMs`; undefined when there are none or several. */
export function applianceByAddress(reader: Reader, address: string, sinceMs: number): Appliance | undefined {
  const found = reader.all<Appliance>(
    `SELECT ${APPLIANCE} FROM appliance WHERE seen_address = ? AND seen_at_ms >= ? LIMIT 2`,
    address,
    sinceMs,
  );
  return found.length === 1 ? found[0] : undefined;
}

export function countAppliances(reader: Reader): number {
  return reader.get<{ count: number }>('SELECT count(*) AS count FROM appliance')?.count ?? 0;
}

/** Adds the appliance, or replaces what is kept of it. */
export function writeAppliance(tx: Tx, appliance: Appliance): void {
  tx.run(
    `INSERT INTO appliance (id, name, public_key, ring, holder, contact, language, maintained_until_ms, registered_at_ms, seen_at_ms, seen_address, installed)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, ring = excluded.ring, holder = excluded.holder, contact = excluded.contact,
       language = excluded.language, maintained_until_ms = excluded.maintained_until_ms, seen_at_ms = excluded.seen_at_ms, seen_address = excluded.seen_address, installed = excluded.installed`,
    appliance.id,
    appliance.name,
    appliance.publicKey,
    appliance.ring,
    appliance.holder,
    appliance.contact,
    appliance.language,
    appliance.maintainedUntilMs,
    appliance.registeredAtMs,
    appliance.seenAtMs,
    appliance.seenAddress,
    appliance.installed,
  );
}

/** Removes the appliance, its schedule and what it was written; the ledger stays. */
export function removeAppliance(tx: Tx, id: string): void {
  tx.run('DELETE FROM schedule WHERE appliance_id = ?', id);
  tx.run('DELETE FROM notice WHERE appliance_id = ?', id);
  tx.run('DELETE FROM appliance WHERE id = ?', id);
}

export function listSchedule(reader: Reader): ScheduleEntry[] {
  return reader.all<ScheduleEntry>(`SELECT ${SCHEDULE} FROM schedule ORDER BY package, version, from_ms, id`);
}

/** Adds an entry; one for the same release and the same appliance, ring or all is replaced. */
export function addSchedule(tx: Tx, entry: Omit<ScheduleEntry, 'id'>, nowMs: number): void {
  removeSchedule(tx, entry);
  tx.run(
    'INSERT INTO schedule (id, package, version, appliance_id, ring, from_ms) VALUES (?, ?, ?, ?, ?, ?)',
    uuidv7(nowMs),
    entry.package,
    entry.version,
    entry.applianceId,
    entry.ring,
    entry.fromMs,
  );
}

/** Removes the entry of that release for that appliance, ring or all; says whether there was one. */
export function removeSchedule(tx: Tx, entry: Omit<ScheduleEntry, 'id' | 'fromMs'>): boolean {
  const { changes } = tx.run(
    'DELETE FROM schedule WHERE package = ? AND version = ? AND appliance_id IS ? AND ring IS ?',
    entry.package,
    entry.version,
    entry.applianceId,
    entry.ring,
  );
  return changes > 0;
}

/** Notes that `nonce` was used; says false when it was used before. Forgets those that are too old to be used again. */
export function takeNonce(tx: Tx, nonce: string, untilMs: number, nowMs: number): boolean {
  tx.run('DELETE FROM used_nonce WHERE until_ms < ?', nowMs);
  return (
    tx.run('INSERT INTO used_nonce (nonce, until_ms) VALUES (?, ?) ON CONFLICT (nonce) DO NOTHING', nonce, untilMs).changes > 0
  );
}

/** Whether `nonce` was used, and could be used again but for that. */
export function isNonceTaken(reader: Reader, nonce: string): boolean {
  return reader.get('SELECT 1 FROM used_nonce WHERE nonce = ?', nonce) !== undefined;
}

export function addDownload(tx: Tx, download: Download): void {
  tx.run(
    `INSERT INTO download (id, at_ms, appliance_id, appliance_name, address, way, target, bytes, is_whole, is_forgotten)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
    uuidv7(download.atMs),
    download.atMs,
    download.applianceId,
    download.applianceName,
    download.address,
    download.way,
    download.target,
    download.bytes,
    download.isWhole,
  );
}

/** The ledger, newest first; of one appliance when it is given. */
export function listDownloads(reader: Reader, limit: number, appliance?: Appliance): Download[] {
  return reader.all<Download>(
    `SELECT ${DOWNLOAD} FROM download WHERE ?1 IS NULL OR appliance_id = ?1 OR (appliance_id IS NULL AND appliance_name = ?2) ORDER BY at_ms DESC, id DESC LIMIT ?3`,
    appliance?.id ?? null,
    appliance?.name ?? '',
    limit,
  );
}

/** What the appliance has got to the last byte, and when last: target → milliseconds. */
export function downloadedBy(reader: Reader, applianceId: string): Map<string, number> {
  const rows = reader.all<{ target: string; atMs: number }>(
    'SELECT target, max(at_ms) AS atMs FROM download WHERE appliance_id = ? AND is_whole = 1 AND is_forgotten = 0 GROUP BY target',
    applianceId,
  );
  return new Map(rows.map(({ target, atMs }) => [target, atMs]));
}

/** The downloads of `target` no longer count as such; says how many there were. */
export function forgetDownloads(tx: Tx, applianceId: string, target: string): number {
  return tx.run(
    'UPDATE download SET is_forgotten = 1 WHERE appliance_id = ? AND target = ? AND is_forgotten = 0',
    applianceId,
    target,
  ).changes;
}

/** About which releases the contact of the appliance was written. */
export function noticedTargets(reader: Reader, applianceId: string): Set<string> {
  const rows = reader.all<{ target: string }>('SELECT target FROM notice WHERE appliance_id = ?', applianceId);
  return new Set(rows.map(({ target }) => target));
}

export function addNotice(tx: Tx, applianceId: string, target: string, nowMs: number): void {
  tx.run(
    'INSERT INTO notice (appliance_id, target, at_ms) VALUES (?, ?, ?) ON CONFLICT (appliance_id, target) DO NOTHING',
    applianceId,
    target,
    nowMs,
  );
}
