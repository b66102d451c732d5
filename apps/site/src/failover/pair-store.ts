/** All SQL of pair.db: what this appliance knows of its pair, and nobody else's business. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { movedTo } from '@bascule/protocol/api/move.ts';
import { accountMigrations } from '@bascule/accounts/account-migrations.ts';
import { carriedLoginMigrations } from '@bascule/accounts/carried-accounts.ts';
import { uuidv7 } from '@bascule/core/ids.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  ALARM_CODES,
  endpoint,
  pairRole,
  pairSettings,
  type Archived,
  type PairAlarm,
  type PairSettings,
  type RoleChange,
} from '@bascule/protocol/api/failover.ts';
import { signedStatement } from '@bascule/protocol/pair-link.ts';
import { rehearsalId } from '@bascule/protocol/rehearsal.ts';
import { Store, type Reader, type Tx } from '@bascule/store/store.ts';
import { mailMigrations } from '../mail/mail.ts';
import { establishMigrations } from './establish-store.ts';
import { failoverMigrations } from './failover-migrations.ts';

/** Role changes, archives and so on that a page shows. */
const LISTED_MAX = 100;

/** In the history of roles, in the place of a person. */
export const BY_WITNESS = 'witness';

/** Who this side is. */
export const pairSelf = z.object({
  role: pairRole,
  /** Empty until a pair was established for the first time. */
  history: z.string().max(64),
  /** Of the newest statement that this side knows, whoever holds it. */
  epoch: z.number().int().nonnegative(),
  statement: signedStatement.nullable(),
  /** A promotion to this epoch was decided and may not have reached site.db yet: the next start finishes it. */
  pendingEpoch: z.number().int().positive().nullable(),
  /** Why it is `read-only`. */
  readOnly: z.enum(['broken', 'restored', 'superseded']).nullable(),
});
export type PairSelf = z.infer<typeof pairSelf>;
export const NO_PAIR: PairSelf = {
  role: 'single',
  history: '',
  epoch: 0,
  statement: null,
  pendingEpoch: null,
  readOnly: null,
};

/** The other appliance: the one identity that is let in. It stays known after a break, so that both sides still see each other. */
export const pairPeer = z.object({
  state: z.enum(['active', 'broken']),
  name: z.string().max(100),
  keySha256: z.string().length(64),
  /** How this side reaches it, and it this one. */
  endpoint,
  ownEndpoint: endpoint,
  sinceMs: z.number(),
  by: z.string().max(200),
  /** Of a broken relationship: by whose word. Absent: a person's here. */
  apart: z.enum(['plan', 'peer']).optional(),
});
export type PeerRecord = z.infer<typeof pairPeer>;

export const DEFAULT_PAIR_SETTINGS: PairSettings = {
  mode: 'async',
  bytesPerSecond: 0,
  alarmLagSeconds: 60,
  backupOperations: false,
  automatic: false,
};

const VALUES = {
  self: pairSelf,
  peer: pairPeer,
  settings: pairSettings,
  /** What the page says of copies done, kept over a restart. */
  copied: z.object({ completedAtMs: z.number().nullable(), comparedAtMs: z.number().nullable() }),
  /** Up to where the peer had everything when it was last heard of, by the follower's own word. */
  acked: z.object({ seq: z.number().int().nonnegative(), atMs: z.number() }),
  /** The newest entry of the source that this follower has heard of. */
  sourceHead: z.object({ seq: z.number().int().nonnegative(), atMs: z.number() }),
  /** A person (or the signed word of a takeover) has decided that what is here gives way to the other side's: it is archived, and a copy taken. */
  giveWay: z.object({ by: z.string().max(200), atMs: z.number(), reason: z.string().max(100) }),
  /** Site keys that came from the primary, wrapped by the key of this appliance, and are being put in place; `folder` of the archive takes the former ones. */
  pendingKeys: z.object({ wrapped: z.base64(), folder: z.string().max(100), primary: z.string().max(100) }),
  /** Archives whose history the primary is to take. */
  offers: z.array(z.object({ id: z.string(), file: z.string(), bytes: z.number(), sha256: z.string() })),
  /** A test of the standby that this side led as primary, and that has no end in the audit yet. */
  ledRehearsal: z.object({ id: rehearsalId, standby: z.string().max(100), reason: z.string().max(500).optional() }),
  /** The site was moved to another box, and this one leads people and clients there. */
  moved: movedTo.extend({ atMs: z.number() }),
  /** Histories that this one descends from by restores: whoever is still in one of them gives way to this one, whatever its epoch (docs/decisions/0291). */
  lineage: z.object({ ancestors: z.array(z.string().max(64)).max(200) }),
  /** The witness, as a person enrolled this appliance there. */
  witness: z.object({ endpoint, keySha256: z.string().length(64), site: z.string().max(64), enrolledAtMs: z.number() }),
} as const;
type ValueName = keyof typeof VALUES;
type ValueOf<N extends ValueName> = z.infer<(typeof VALUES)[N]>;
export type OpenRehearsal = ValueOf<'ledRehearsal'>;

/** Opens pair.db, and makes it. It has the tables of accounts too: a backup logs people in by copies of the primary's rows. */
export function openPairStore(options: { path: string; appliance: string; log: Log; now: () => number }): Store {
  return Store.open({
    ...options,
    migrations: [
      ...accountMigrations,
      ...carriedLoginMigrations,
      ...mailMigrations,
      ...failoverMigrations,
      ...establishMigrations,
    ],
  });
}

/** Whether this appliance was ever part of a pair: without pair.db nothing of it is opened, and a start costs nothing more. */
export function hasPairStore(path: string): boolean {
  return existsSync(path);
}

/** The value `name`; undefined when there is none. */
export function readValue<N extends ValueName>(reader: Reader, name: N): ValueOf<N> | undefined {
  const value = readForeignValue(reader, name);
  return value === undefined ? undefined : (VALUES[name].parse(value) as ValueOf<N>);
}

export function writeValue<N extends ValueName>(tx: Tx, name: N, value: ValueOf<N>): void {
  writeForeignValue(tx, name, value);
}

/** A value whose schema its owner knows. */
export function readForeignValue(reader: Reader, name: string): unknown {
  const row = reader.get<{ value: string }>('SELECT value FROM pair_values WHERE name = ?', name);
  return row === undefined ? undefined : JSON.parse(row.value);
}

export function writeForeignValue(tx: Tx, name: string, value: unknown): void {
  const sql = 'INSERT INTO pair_values (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value';
  tx.run(sql, name, JSON.stringify(value));
}

export function removeValue(tx: Tx, name: string): void {
  tx.run('DELETE FROM pair_values WHERE name = ?', name);
}

export function addRoleChange(tx: Tx, change: RoleChange): void {
  tx.run(
    `INSERT INTO role_changes (id, at_ms, appliance, role, epoch, by_name, reason, lost_changes, lost_seconds)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    uuidv7(change.atMs),
    change.atMs,
    change.appliance,
    change.role,
    change.epoch,
    change.by,
    change.reason,
    change.lost?.changes ?? null,
    change.lost?.seconds ?? null,
  );
}

/** Newest first. */
export function roleChanges(reader: Reader): RoleChange[] {
  return reader
    .all<Omit<RoleChange, 'lost'> & { lostChanges: number | null; lostSeconds: number | null }>(
      `SELECT at_ms AS atMs, appliance, role, epoch, by_name AS "by", reason, lost_changes AS lostChanges, lost_seconds AS lostSeconds
       FROM role_changes ORDER BY at_ms DESC, id DESC LIMIT ?`,
      LISTED_MAX,
    )
    .map(({ lostChanges, lostSeconds, ...change }) => ({
      ...change,
      lost: lostChanges === null ? null : { changes: lostChanges, seconds: lostSeconds ?? 0 },
    }));
}

/** By whose word `appliance` is primary of `epoch`; undefined: by the witness', or it is not known. */
export function decidedBy(reader: Reader, appliance: string, epoch: number): string | undefined {
  const newest = reader.get<{ name: string }>(
    `SELECT by_name AS name FROM role_changes WHERE role = 'primary' AND appliance = ? AND epoch = ? ORDER BY at_ms DESC, id DESC LIMIT 1`,
    appliance,
    epoch,
  );
  return newest === undefined || newest.name === BY_WITNESS ? undefined : newest.name;
}

export function alarms(reader: Reader): PairAlarm[] {
  return reader
    .all<{ code: PairAlarm['code']; sinceMs: number; params: string }>(
      'SELECT code, since_ms AS sinceMs, params FROM pair_alarms ORDER BY since_ms, code',
    )
    .filter(({ code }) => ALARM_CODES.includes(code))
    .map(({ params, ...alarm }) => ({ ...alarm, params: JSON.parse(params) as PairAlarm['params'] }));
}

export function putAlarm(tx: Tx, { code, sinceMs, params }: PairAlarm): void {
  const sql =
    'INSERT INTO pair_alarms (code, since_ms, params) VALUES (?, ?, ?) ON CONFLICT (code) DO UPDATE SET params = excluded.params';
  tx.run(sql, code, sinceMs, JSON.stringify(params));
}

export function removeAlarm(tx: Tx, code: PairAlarm['code']): void {
  tx.run('DELETE FROM pair_alarms WHERE code = ?', code);
}

export function addArchive(tx: Tx, row: Archived & { folder: string }): void {
  tx.run(
    'INSERT INTO pair_archives (id, at_ms, reason, folder, bytes, changes) VALUES (?, ?, ?, ?, ?, ?)',
    row.id,
    row.atMs,
    row.reason,
    row.folder,
    row.bytes,
    row.changes,
  );
}

/** Newest first. */
export function archives(reader: Reader): Archived[] {
  return reader.all<Archived>(
    'SELECT id, at_ms AS atMs, reason, bytes, changes FROM pair_archives ORDER BY at_ms DESC, id DESC LIMIT ?',
    LISTED_MAX,
  );
}
