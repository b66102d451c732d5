import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sitePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import type { Kept } from '@bascule/protocol/restore-program.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { SYSTEM, type Tx } from '@bascule/store/store.ts';
import { Site } from '../compose.ts';
import { openSiteStore } from '../site-store.ts';
import { testSiteConfig } from '../testing.ts';
import { keep } from './restored-keep.ts';

const log = createLog('test', 'silent');
const FAR_MS = 1_000_000_000;

/** A site with an administrator, and what else can be ended: each by its name. */
class Scene {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-ended-'));
  readonly siteDir = join(this.home, 'site');
  /** As it is unpacked from a backup. */
  readonly folder = join(this.home, 'restore', 'unpacked');

  async open(): Promise<this> {
    const site = await Site.open({ config: testSiteConfig(this.home), log });
    await site.close();
    this.write((tx) => {
      const account = tx.all<{ name: string }>('SELECT name FROM pragma_table_info(?)', 'accounts').map(({ name }) => name);
      const others = account.filter((name) => !['id', 'name', 'role'].includes(name)).join(', ');
      for (const name of ['ada', 'ben'])
        tx.run(
          `INSERT INTO accounts (id, name, role, ${others}) SELECT ?, ?, 'user', ${others} FROM accounts LIMIT 1`,
          name,
          name,
        );
      for (const name of ['door-7', 'lost-1', 'lost-2'])
        tx.run(
          `INSERT INTO jump_clients (id, name, group_id, state, comment, host_name, os, arch, addresses, runs_as, version, key_sha256, token_id, enrolled_at_ms, last_seen_at_ms)
           VALUES (?, ?, NULL, 'approved', '', 'host', 'Debian', 'x64', '[]', 'root', '1', ?, NULL, 1, NULL)`,
          name,
          name,
          name,
        );
      for (const name of ['api-1', 'api-2'])
        tx.run(
          `INSERT INTO api_tokens (id, account_id, name, scopes, lookup, secret_sha256, created_at_ms, expires_at_ms) VALUES (?, 'ada', ?, '[]', ?, 'x', 1, ?)`,
          name,
          name,
          name,
          Date.now() + FAR_MS,
        );
      for (const name of ['inst-1', 'inst-2', 'inst-3'])
        tx.run(
          `INSERT INTO jump_tokens (id, lookup, secret_sha256, name, group_id, created_by, created_at_ms, valid_until_ms, uses, uses_left, approve_each, revoked)
           VALUES (?, ?, 'x', ?, NULL, 'ada', 1, ?, 9, 9, 0, 0)`,
          name,
          name,
          name,
          Date.now() + FAR_MS,
        );
    });
    mkdirSync(this.folder, { recursive: true });
    cpSync(sitePaths(this.siteDir).database, sitePaths(this.folder).database);
    return this;
  }

  /** Writes into the database of the site, which is not running. */
  write(work: (tx: Tx) => void): void {
    using store = openSiteStore({ path: sitePaths(this.siteDir).database, appliance: 'box', log });
    store.transact(SYSTEM, { code: 'TEST_MADE', summary: 'made', details: {} } as never, work);
  }

  async keep(siteDir = this.siteDir, isBackup = true): Promise<Kept> {
    const order = {
      kind: 'keep',
      folder: this.folder,
      siteDir,
      isBackup,
      appliance: 'box',
      by: 'ada',
      source: 'a test',
    } as const;
    return await keep({ ...order, known: null }, log, () => undefined);
  }

  /** What is valid in what is restored. */
  valid() {
    using reader = openReader(sitePaths(this.folder).database);
    const names = (sql: string) => reader.all<{ name: string }>(sql).map(({ name }) => name);
    return {
      clients: names("SELECT name FROM jump_clients WHERE state <> 'revoked' ORDER BY name"),
      accounts: names('SELECT name FROM accounts WHERE disabled = 0 ORDER BY name'),
      apiTokens: names('SELECT name FROM api_tokens ORDER BY name'),
      installers: names("SELECT name || ' ' || uses_left AS name FROM jump_tokens WHERE revoked = 0 ORDER BY name"),
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

const EVERYTHING = {
  clients: ['door-7', 'lost-1', 'lost-2'],
  accounts: ['ada', 'admin', 'ben'],
  apiTokens: ['api-1', 'api-2'],
  installers: ['inst-1 9', 'inst-2 9', 'inst-3 9'],
};

function endMuch(tx: Tx): void {
  tx.run("UPDATE jump_clients SET state = 'revoked' WHERE name = 'lost-1'");
  tx.run("DELETE FROM jump_clients WHERE name = 'lost-2'");
  tx.run("INSERT INTO jump_deleted_clients (id, name, deleted_at_ms) VALUES ('lost-2', 'lost-2', 1)");
  tx.run("UPDATE accounts SET disabled = 1 WHERE name = 'ben'");
  tx.run("DELETE FROM api_tokens WHERE name = 'api-1'");
  tx.run("UPDATE jump_tokens SET revoked = 1 WHERE name = 'inst-1'");
  tx.run("UPDATE jump_tokens SET uses_left = 4 WHERE name = 'inst-2'");
}

describe('what was ended since a backup was made', () => {
  it('stays ended when the site in place is the same, and is named', async () => {
    using scene = await new Scene().open();
    scene.write(endMuch);
    const { ended } = await scene.keep();
    assert.deepEqual(scene.valid(), {
      clients: ['door-7'],
      accounts: ['ada', 'admin'],
      apiTokens: ['api-2'],
      installers: ['inst-2 4', 'inst-3 9'],
    });
    assert.deepEqual(ended, {
      isSameSite: true,
      clients: { count: 2, names: ['lost-1', 'lost-2'] },
      accounts: { count: 1, names: ['ben'] },
      apiTokens: { count: 1, names: ['api-1'] },
      installerTokens: { count: 1, names: ['inst-1'] },
      administratorsLeft: { count: 0, names: [] },
    });
    using reader = openReader(sitePaths(scene.folder).database);
    const event = "SELECT summary FROM audit_event WHERE code = 'SITE_RESTORED_RIGHTS_ENDED'";
    assert.match(reader.get<{ summary: string }>(event)?.summary ?? '', /2 \(lost-1, lost-2\).*1 \(api-1\)/);
  });

  it('is not known where another site is, or none: no token is believed', async () => {
    using scene = await new Scene().open();
    using other = await new Scene().open();
    other.write(endMuch);
    const { ended } = await scene.keep(other.siteDir);
    assert.deepEqual(
      [ended?.isSameSite, ended?.apiTokens.names, ended?.installerTokens.names, ended?.clients.count],
      [false, ['api-1', 'api-2'], ['inst-1', 'inst-2', 'inst-3'], 0],
    );
    assert.deepEqual(scene.valid(), { ...EVERYTHING, apiTokens: [], installers: [] });
    using fresh = await new Scene().open();
    assert.equal((await fresh.keep(join(fresh.home, 'nothing'))).ended?.isSameSite, false);
    assert.deepEqual(fresh.valid(), { ...EVERYTHING, apiTokens: [], installers: [] });
  });

  it('leaves an administrator who can log in', async () => {
    using scene = await new Scene().open();
    scene.write((tx) => {
      tx.run("UPDATE accounts SET disabled = 1 WHERE name IN ('admin', 'ben')");
      tx.run("UPDATE accounts SET role = 'administrator' WHERE name = 'ada'");
    });
    const { ended } = await scene.keep();
    assert.deepEqual([ended?.accounts.names, ended?.administratorsLeft.names], [['ben'], ['admin']]);
    assert.deepEqual(scene.valid().accounts, ['ada', 'admin']);
  });

  it('is left as it was by an undo', async () => {
    using scene = await new Scene().open();
    scene.write(endMuch);
    cpSync(sitePaths(scene.siteDir).keys, sitePaths(scene.folder).keys, { recursive: true });
    assert.equal((await scene.keep(scene.siteDir, false)).ended, undefined);
    assert.deepEqual(scene.valid(), EVERYTHING);
  });
});
