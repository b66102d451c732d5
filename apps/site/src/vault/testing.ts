/** For tests: a vault on a site.db of its own, with secrets of every kind in it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { createLog } from '@bascule/log/log.ts';
import type { Context, Reader, Store } from '@bascule/store/store.ts';
import { openSiteStore } from '../site-store.ts';
import { wrappedColumns } from '../wrapped-columns.ts';
import { Vault, type VaultOptions } from './vault.ts';

export const ADA: Context = { actor: { kind: 'user', id: null, name: 'ada' }, address: '192.0.2.1' };
/** Of age files in tests: each guess takes a millisecond, not half a second. */
export const WORK_FACTOR = 8;

type Secrets = Record<string, string | undefined>;

export class TestVault {
  readonly directory: string;
  readonly store: Store;
  readonly vault: Vault;

  constructor(options: Partial<VaultOptions> = {}, directory = mkdtempSync(join(tmpdir(), 'bascule-vault-'))) {
    this.directory = directory;
    mkdirSync(join(directory, 'keys'), { recursive: true, mode: 0o700 });
    const log = createLog('test', 'silent');
    this.store = openSiteStore({ path: join(directory, 'site.db'), appliance: 'alpha', log });
    this.vault = new Vault({
      store: this.store,
      keyFile: this.keyFile,
      columns: wrappedColumns,
      appliance: 'alpha',
      isCommitted: true,
      changed: () => undefined,
      log,
      lookEveryMs: 10,
      workFactor: WORK_FACTOR,
      ...options,
    });
  }

  get keyFile(): string {
    return join(this.directory, 'keys', 'site.key');
  }

  /** Accounts with second factors, an installer with its key and a mail server with its password; `secrets` + 2 in all. */
  addSecrets(accounts: number): void {
    addSecrets(this.store, KeyRing.open(this.keyFile), accounts);
  }

  /** Every secret in the clear, by the table and key of its row; undefined for those that do not open. */
  secrets(): Secrets {
    return readSecrets(this.store, KeyRing.open(this.keyFile));
  }

  auditCodes(): string[] {
    return this.store.all<{ code: string }>('SELECT code FROM audit_event ORDER BY sequence').map(({ code }) => code);
  }

  /** As a crash does, as far as one process can. The directory stays. */
  async stop(): Promise<void> {
    await this.vault.close();
    this.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Every secret of `reader` in the clear, by the table and key of its row; undefined for those that `ring` does not open. */
export function readSecrets(reader: Reader, ring: KeyRing): Secrets {
  const found: Secrets = {};
  for (const { table, key, column, purpose } of wrappedColumns)
    for (const row of reader.all<{ key: string; wrapped: Uint8Array }>(
      `SELECT ${key} AS key, ${column} AS wrapped FROM ${table} WHERE ${column} IS NOT NULL`,
    ))
      found[`${table} ${row.key}`] = ring.open(row.wrapped, purpose(row.key))?.secret.toString();
  return found;
}

/** Rows as their domains write them. */
export function addSecrets(store: Store, ring: KeyRing, accounts: number): void {
  const wrapped = (kind: string, key: string, secret: string) =>
    ring.wrap(Buffer.from(secret), wrappedColumns.find((column) => column.kind === kind)!.purpose(key));
  store.transact(ADA, { code: 'TEST_SECRETS', summary: 'secrets', details: {} }, (tx) => {
    for (let index = 0; index < accounts; index += 1) {
      const id = `usr_${String(index).padStart(5, '0')}`;
      tx.run(
        `INSERT INTO accounts (id, name, display_name, role, language, disabled, password_hash, must_change_password, failures, totp_secret, totp_last_step, created_at_ms)
         VALUES (?, ?, '', 'user', 'en', 0, '', 0, 0, ?, 0, 0)`,
        id,
        `user ${index}`,
        wrapped('second-factor', id, `factor ${index}`),
      );
    }
    tx.run(
      `INSERT INTO mail_settings (one, settings, password) VALUES (1, '{"host":"smtp.example.org"}', ?)`,
      wrapped('mail-password', '1', 'of the server'),
    );
    tx.run(
      `INSERT INTO installers (id, token_id, program, name, mode, tags, comment, is_generic, version, created_by, created_at_ms, wrapped_key)
       VALUES ('ist_1', 'tok_1', 'jump-client', 'office', 'normal', '[]', '', 0, '1', 'ada', 0, ?)`,
      wrapped('installer-key', 'ist_1', 'the key'),
    );
  });
}
