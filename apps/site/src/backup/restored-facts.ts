/** What is in a site.db that is not in use: for whoever decides whether to restore it. Databases of every version since 0.1.0 are read. */
import { existsSync } from 'node:fs';
import { sitePaths } from '@bascule/core/home.ts';
import { RESTORE_NAME_MAX_LENGTH, RESTORE_NAMES_MAX, type RestoreNames } from '@bascule/protocol/api/restore.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import type { Reader } from '@bascule/store/store.ts';

export interface SiteFacts {
  users: number;
  clients: number;
  sessions: number;
  newestChangeAtMs: number | null;
  administrators: RestoreNames;
  /** Jump Clients that are not revoked. */
  clientNames: RestoreNames;
  /** Site identities that it has seen, by fingerprint. */
  identities: string[];
}

/** Throws as `openReader` when it is no database of ours. */
export function readFacts(database: string): SiteFacts {
  using reader = openReader(database);
  const clientNames = namesOf(reader, "FROM jump_clients WHERE state <> 'revoked'");
  return {
    users: count(reader, 'FROM accounts'),
    clients: clientNames.count,
    sessions: count(reader, 'FROM access_sessions'),
    newestChangeAtMs:
      reader.get<{ atMs: number | null }>('SELECT at_ms AS atMs FROM change_log ORDER BY seq DESC LIMIT 1')?.atMs ?? null,
    administrators: namesOf(reader, "FROM accounts WHERE role = 'administrator' AND disabled = 0"),
    clientNames,
    identities: hasTable(reader, 'trust_identities')
      ? reader.all<{ sha256: string }>('SELECT fingerprint_sha256 AS sha256 FROM trust_identities').map(({ sha256 }) => sha256)
      : [],
  };
}

/** Of the site that is in place; undefined: there is none, or it is damaged. */
export function factsHere(siteDir: string): SiteFacts | undefined {
  const { database } = sitePaths(siteDir);
  if (!existsSync(database)) return undefined;
  try {
    return readFacts(database);
  } catch {
    return undefined;
  }
}

/** Cut where they are read: a name of a backup may be of any length, and goes to base. */
function namesOf(reader: Reader, from: string): RestoreNames {
  const rows = reader.all<{ shown: string }>(
    `SELECT CAST(substr(name, 1, ${RESTORE_NAME_MAX_LENGTH}) AS TEXT) AS shown ${from} ORDER BY name LIMIT ${RESTORE_NAMES_MAX}`,
  );
  // Characters there are more than one unit here.
  return { count: count(reader, from), names: rows.map(({ shown }) => shown.slice(0, RESTORE_NAME_MAX_LENGTH)) };
}

function count(reader: Reader, from: string): number {
  return reader.get<{ count: number }>(`SELECT count(*) AS count ${from}`)?.count ?? 0;
}

function hasTable(reader: Reader, name: string): boolean {
  return reader.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", name) !== undefined;
}
