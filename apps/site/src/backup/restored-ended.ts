/** What was ended since a backup was made must not come back with it: clients, accounts and tokens (docs/decisions/0292). */
import { existsSync } from 'node:fs';
import { sitePaths } from '@bascule/core/home.ts';
import { RESTORE_NAMES_MAX, type RestoreNames } from '@bascule/protocol/api/restore.ts';
import type { EndedRights } from '@bascule/protocol/restore-program.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

/** Of a name that is told: the database may be anybody's. */
const NAME_MAX = 200;

interface Named {
  id: string;
  name: string;
}

/** What a restore ends of what is valid in the database that it brings. */
export interface Ended {
  /** By the word of the site in place, which is the same; false: nobody can say what was ended, and no token is believed. */
  isSameSite: boolean;
  clients: Named[];
  accounts: Named[];
  apiTokens: Named[];
  installerTokens: Named[];
  /** Disabled here, but left as they are in the backup: else no administrator could log in. */
  administratorsLeft: Named[];
  /** Of tokens that stay: what is left of their uses here, where that is less. */
  usesLeft: { id: string; usesLeft: number }[];
}

/** What the site in place has ended. */
interface Here {
  clients: Set<string>;
  accounts: Set<string>;
  /** Those that there are: one that was ended is gone. */
  apiTokens: Set<string>;
  /** Uses left; none of one that was revoked. */
  installerTokens: Map<string, number>;
}

export const rightsEnded = defineAuditEvent<{ clients: string; accounts: string; apiTokens: string; installerTokens: string }>(
  'SITE_RESTORED_RIGHTS_ENDED',
  'Ended what was valid in the restored database: Jump Clients {clients}; accounts {accounts}; API tokens {apiTokens}; installer tokens {installerTokens}',
);

/**
 * What of `restored`, which is migrated, is to be ended. Of the same site: what the site in `siteDir`, which may be running, has ended. Of another one, or when it cannot be read: all API
 * tokens and installer tokens.
 */
export function endedIn(restored: Reader, siteDir: string, isSameSite: boolean, nowMs = Date.now()): Ended {
  const here = isSameSite ? endedHere(sitePaths(siteDir).database) : undefined;
  const apiTokens = restored.all<Named>('SELECT id, name FROM api_tokens WHERE expires_at_ms > ? ORDER BY name', nowMs);
  const tokens = restored.all<Named & { usesLeft: number }>(
    'SELECT id, name, uses_left AS usesLeft FROM jump_tokens WHERE revoked = 0 AND uses_left > 0 AND valid_until_ms > ? ORDER BY name',
    nowMs,
  );
  if (here === undefined)
    return {
      isSameSite: false,
      clients: [],
      accounts: [],
      apiTokens,
      installerTokens: tokens,
      administratorsLeft: [],
      usesLeft: [],
    };
  const leftOf = (id: string, otherwise: number): number => Math.min(here.installerTokens.get(id) ?? otherwise, otherwise);
  return {
    isSameSite: true,
    clients: restored
      .all<Named>("SELECT id, name FROM jump_clients WHERE state <> 'revoked' ORDER BY name")
      .filter(({ id }) => here.clients.has(id)),
    ...accountsOf(restored, here),
    apiTokens: apiTokens.filter(({ id }) => !here.apiTokens.has(id)),
    installerTokens: tokens.filter(({ id, usesLeft }) => leftOf(id, usesLeft) === 0),
    usesLeft: tokens
      .map(({ id, usesLeft }) => ({ id, usesLeft: leftOf(id, usesLeft), before: usesLeft }))
      .filter(({ usesLeft, before }) => usesLeft > 0 && usesLeft < before),
  };
}

/** Ends it. */
export function endRights(tx: Tx, ended: Ended): void {
  for (const { id } of ended.clients) tx.run("UPDATE jump_clients SET state = 'revoked' WHERE id = ?", id);
  for (const { id } of ended.accounts) tx.run('UPDATE accounts SET disabled = 1 WHERE id = ?', id);
  for (const { id } of ended.apiTokens) tx.run('DELETE FROM api_tokens WHERE id = ?', id);
  for (const { id } of ended.installerTokens) tx.run('UPDATE jump_tokens SET revoked = 1 WHERE id = ?', id);
  for (const { id, usesLeft } of ended.usesLeft) tx.run('UPDATE jump_tokens SET uses_left = ? WHERE id = ?', usesLeft, id);
}

/** For whoever decides, and for the report. */
export function shownOf(ended: Ended): EndedRights {
  const { isSameSite, clients, accounts, apiTokens, installerTokens, administratorsLeft } = ended;
  return {
    isSameSite,
    clients: namesOf(clients),
    accounts: namesOf(accounts),
    apiTokens: namesOf(apiTokens),
    installerTokens: namesOf(installerTokens),
    administratorsLeft: namesOf(administratorsLeft),
  };
}

/** For the audit of the site. */
export function auditOf(ended: EndedRights): Parameters<typeof rightsEnded>[0] {
  const words = ({ count, names }: RestoreNames): string =>
    count === 0 ? 'none' : `${count} (${names.join(', ').slice(0, NAME_MAX)})`;
  return {
    clients: words(ended.clients),
    accounts: words(ended.accounts),
    apiTokens: words(ended.apiTokens),
    installerTokens: words(ended.installerTokens),
  };
}

function namesOf(found: Named[]): RestoreNames {
  return { count: found.length, names: found.slice(0, RESTORE_NAMES_MAX).map(({ name }) => name.slice(0, NAME_MAX)) };
}

/** Accounts that are disabled here. Administrators among them stay as they are when no other would be left to log in. */
function accountsOf(restored: Reader, here: Here): Pick<Ended, 'accounts' | 'administratorsLeft'> {
  const valid = restored.all<Named & { role: string }>('SELECT id, name, role FROM accounts WHERE disabled = 0 ORDER BY name');
  const disabled = valid.filter(({ id }) => here.accounts.has(id));
  const isAdministrator = ({ role }: { role: string }): boolean => role === 'administrator';
  if (valid.some((account) => isAdministrator(account) && !here.accounts.has(account.id)))
    return { accounts: disabled, administratorsLeft: [] };
  return {
    accounts: disabled.filter((account) => !isAdministrator(account)),
    administratorsLeft: disabled.filter(isAdministrator),
  };
}

/** undefined: there is no site, or it cannot be read. */
function endedHere(database: string): Here | undefined {
  if (!existsSync(database)) return undefined;
  try {
    using reader = openReader(database);
    const ids = (sql: string): Set<string> => new Set(reader.all<{ id: string }>(sql).map(({ id }) => id));
    const tokens = reader.all<{ id: string; usesLeft: number }>(
      'SELECT id, CASE revoked WHEN 0 THEN uses_left ELSE 0 END AS usesLeft FROM jump_tokens',
    );
    return {
      clients: ids("SELECT id FROM jump_clients WHERE state = 'revoked' UNION SELECT id FROM jump_deleted_clients"),
      accounts: ids('SELECT id FROM accounts WHERE disabled = 1'),
      apiTokens: ids('SELECT id FROM api_tokens'),
      installerTokens: new Map(tokens.map(({ id, usesLeft }) => [id, usesLeft])),
    };
  } catch {
    return undefined;
  }
}
