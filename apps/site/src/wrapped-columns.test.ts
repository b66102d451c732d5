/** Fails when somebody keeps wrapped secrets in site.db without saying so: a rotation would lose them (docs/decisions/0301). */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { TestVault } from './vault/testing.ts';
import { wrappedColumns } from './wrapped-columns.ts';

/** Columns of bytes that are no secrets. */
const NO_SECRETS = new Set(['audit_head.signature', 'passkeys.public_key']);
/** Which kinds each file wraps; `own`: with keys of the appliance alone, into pair.db or box.db, which the vault key has no part in. */
const WRAPPED_BY: Record<string, string> = {
  'packages/accounts/src/totp-factor.ts': 'second-factor',
  'packages/mail/src/mailer.ts': 'mail-password',
  'apps/site/src/installers/installers.ts': 'installer-key',
  'apps/site/src/backup/destination-secret.ts': 'backup-destination',
  'apps/site/src/backup/backup-schedule.ts': 'backup-password',
  'apps/site/src/failover/establish-backup.ts': 'own',
  'apps/site/src/failover/key-renewal.ts': 'own',
  'apps/site/src/failover/pre-shared-key.ts': 'own',
  'apps/site/src/vault/wrapped-secrets.ts': 'all of them, anew',
};
const WRAPS = /(?:keyWrap|#wrap|#wrap\(\)|ring)\.wrap\(/i;

test('every column of bytes in site.db is registered as wrapped, or named as no secret', async () => {
  await using site = new TestVault();
  const found = site.store
    .all<{ name: string }>(
      `SELECT m.name || '.' || c.name AS name FROM sqlite_schema m, pragma_table_info(m.name) c
       WHERE m.type = 'table' AND c.type = 'BLOB' ORDER BY 1`,
    )
    .map(({ name }) => name)
    .filter((name) => site.store.replicatedTables().includes(name.split('.')[0]!) && !NO_SECRETS.has(name));
  const registered = wrappedColumns.map(({ table, column }) => `${table}.${column}`);
  assert.deepEqual(
    found.filter((name) => !registered.includes(name)),
    [],
    'register it in wrapped-columns.ts, or name it above',
  );
});

test('every file that wraps says which registered kind it wraps', () => {
  const checkout = resolve(import.meta.dirname, '../../..');
  const files = globSync(['apps/site/src/**/*.ts', 'packages/{accounts,mail}/src/**/*.ts'], { cwd: checkout })
    .filter((file) => !/\.test\.ts$|testing\.ts$/.test(file))
    .filter((file) => WRAPS.test(readFileSync(resolve(checkout, file), 'utf8')));
  assert.deepEqual(
    files.filter((file) => !(file in WRAPPED_BY)),
    [],
    'register its column in wrapped-columns.ts, and name it above',
  );
  const known = new Set(Object.values(WRAPPED_BY));
  for (const { kind } of wrappedColumns) assert.ok(known.has(kind), `no file wraps ${kind}`);
  assert.equal(new Set(wrappedColumns.map(({ kind }) => kind)).size, wrappedColumns.length, 'kinds are unique');
});

test('the words of each kind can be asked for on an empty site', async () => {
  await using site = new TestVault();
  assert.deepEqual((await site.vault.state()).protects, []);
  assert.deepEqual(await site.vault.secrets('all'), { secrets: [], next: null });
});
