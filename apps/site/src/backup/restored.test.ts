import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { sitePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import { RESTORE_NAME_MAX_LENGTH } from '@bascule/protocol/api/restore.ts';
import { Connection } from '@bascule/store/connection.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { Site } from '../compose.ts';
import { pairOf } from '../failover/failover.ts';
import { testSiteConfig } from '../testing.ts';
import { makeBackup } from './backup-make.ts';
import { keep, type KeepOrder } from './restored-keep.ts';
import { readFacts } from './restored-facts.ts';
import { takeKeysHere } from './restored-keys.ts';
import { look } from './restored-look.ts';
import { readSource } from './restored-source.ts';
import { checkDatabase, unpack } from './restored-unpack.ts';
import { restoreDatabase } from '../../../../tools/release/fixture-database.ts';

const log = createLog('test', 'silent');
const PASSWORD = 'correct horse battery staple';
const MADE_AT_MS = Date.UTC(2026, 10, 1);

/** A site with a user, a client, a recording and a file, and backups of it. */
class Scene {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-restored-'));
  readonly siteDir = join(this.home, 'site');

  async open(): Promise<this> {
    const config = testSiteConfig(this.home);
    const site = await Site.open({ config, log });
    const { store } = site.parts;
    const made = { code: 'TEST_MADE', summary: 'made', details: {} };
    store.transact(SYSTEM, made as never, (tx) =>
      tx.run(
        `INSERT INTO jump_clients (id, name, group_id, state, comment, host_name, os, arch, addresses, runs_as, version, key_sha256, token_id, enrolled_at_ms, last_seen_at_ms)
         VALUES (?, 'door-7', NULL, 'approved', '', 'door-7', 'Debian', 'x64', '[]', 'root', '1', 'k', NULL, 1, NULL)`,
        newId('jumpClient'),
      ),
    );
    await site.close();
    mkdirSync(join(this.siteDir, 'recordings', '2026'), { recursive: true });
    writeFileSync(join(this.siteDir, 'recordings', '2026', 'one.brec'), 'as it was');
    mkdirSync(join(this.siteDir, 'files', 'store'), { recursive: true });
    writeFileSync(join(this.siteDir, 'files', 'store', 'note.txt'), 'a note');
    return this;
  }

  async backup(
    password: string | undefined,
    with_: { recordings: boolean; files: boolean },
    siteVersion = '0.6.0',
  ): Promise<string> {
    const paths = sitePaths(this.siteDir);
    const file = join(this.home, `${crypto.randomUUID()}.bascule-backup`);
    const place = {
      remove: () => Promise.resolve(),
      write: async (_name: string, bytes: AsyncIterable<Buffer>, then: () => Promise<void>) => {
        await pipeline(bytes, createWriteStream(file));
        await then();
      },
    };
    const order = {
      id: newId('backup'),
      include: { history: true, boxSettings: false, ...with_ },
      workDir: join(this.home, 'work'),
      staleNames: [],
      database: paths.database,
      keysDir: paths.keys,
      fileStoreDir: join(paths.files, 'store'),
      recordingsDir: paths.recordings,
      madeAtMs: MADE_AT_MS,
      leftOut: [],
      fileName: 'x',
      ...(password !== undefined && { password }),
      manifest: {
        appliance: 'old box',
        publicHost: 'bascule.example',
        siteVersion,
        basePackage: null,
        history: '',
        identitySha256: null,
        vaultKeys: [],
      },
    };
    const work = { progress: () => undefined, step: () => undefined, signal: new AbortController().signal };
    await makeBackup(order as never, place as never, work);
    return file;
  }

  folder(name: string): string {
    return join(this.home, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

function keepOrder(folder: string, siteDir: string, more: Partial<KeepOrder> = {}): KeepOrder {
  return {
    kind: 'keep',
    folder,
    siteDir,
    isBackup: true,
    appliance: 'new box',
    by: 'ada',
    source: 'a test',
    known: null,
    ...more,
  };
}

describe('what becomes of a backup before it is put in place', () => {
  let scene: Scene;
  let whole: string;
  before(async () => {
    scene = await new Scene().open();
    whole = await scene.backup(PASSWORD, { recordings: true, files: true });
  });
  after(() => scene[Symbol.dispose]());

  const inspect = (file: string, password: string | undefined, siteDir: string) =>
    look({ kind: 'inspect', file, password, siteDir, scratch: scene.folder('look') }, log, () => undefined);

  it('shows what is inside, and changes nothing', async () => {
    const before = readFileSync(sitePaths(scene.siteDir).database);
    const found = await inspect(whole, PASSWORD, scene.siteDir);
    assert.deepEqual(readFileSync(sitePaths(scene.siteDir).database), before);
    assert.deepEqual([found.appliance, found.siteVersion, found.isSameSite, found.migrations], ['old box', '0.6.0', true, []]);
    assert.deepEqual(found.contents, { users: 1, clients: 1, sessions: 0 });
    assert.deepEqual(found.loginAdministrators.names, ['admin']);
    assert.equal(found.lostClients.count, 0);
    assert.equal(found.hasPassword, true);
    assert.deepEqual(
      found.parts.map(({ part, outcome }) => [part, outcome]),
      [
        ['configuration', 'replaced'],
        ['history', 'replaced'],
        ['site-identity', 'kept'],
        ['files', 'united'],
        ['recordings', 'united'],
        ['box-settings', 'kept'],
      ],
    );
  });

  it('names clients that cannot come back: no identity in the backup, none of that site here', async () => {
    const bare = await scene.backup(undefined, { recordings: false, files: false });
    const fresh = await inspect(bare, undefined, scene.folder('nothing'));
    assert.deepEqual([fresh.isSameSite, fresh.lostClients.names, fresh.replaced], [false, ['door-7'], null]);
    const here = await inspect(bare, undefined, scene.siteDir);
    assert.deepEqual([here.isSameSite, here.lostClients.count], [true, 0]);
    assert.deepEqual([fresh.ended?.isSameSite, here.ended?.isSameSite], [false, true], 'whose word on what was ended');
  });

  it('says what is wrong with a file, each with its code', async () => {
    const refused = async (file: string, password: string | undefined, code: string) =>
      await assert.rejects(inspect(file, password, scene.siteDir), { code });
    await refused(whole, undefined, 'BACKUP_PASSWORD_NEEDED');
    await refused(whole, 'wrong password!', 'BACKUP_PASSWORD_WRONG');
    // Somebody who can write to a destination puts another file in the place of the backup.
    const bare = await scene.backup(undefined, { recordings: false, files: false });
    await refused(bare, PASSWORD, 'BACKUP_NOT_ENCRYPTED');
    assert.equal((await inspect(bare, undefined, scene.siteDir)).hasPassword, false);
    const cut = scene.folder('cut');
    cpSync(whole, cut);
    truncateSync(cut, 1000);
    await refused(cut, PASSWORD, 'BACKUP_TRUNCATED');
    const other = scene.folder('other');
    writeFileSync(other, 'PK\u0003\u0004 not a backup at all');
    await refused(other, undefined, 'BACKUP_FOREIGN');
    // Past what is looked into: found when all of it is read.
    const flipped = scene.folder('flipped');
    cpSync(whole, flipped);
    const bytes = readFileSync(flipped);
    const last = bytes.length - 20;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    writeFileSync(flipped, bytes);
    await assert.rejects(
      unpack({ file: flipped, password: PASSWORD }, scene.folder('flipped-out'), () => undefined),
      { code: /^BACKUP_(DAMAGED|TRUNCATED)$/ },
    );
  });

  it('is known again by its file, whoever sets its times back', async () => {
    const file = scene.folder('watched');
    cpSync(whole, file);
    const unpackedAs = async (name: string) =>
      await unpack({ file, password: PASSWORD }, scene.folder(`restore/${name}`), () => undefined);
    const { id, madeAtMs, mark } = await inspect(file, PASSWORD, scene.siteDir);
    assert.deepEqual(await unpackedAs('same'), { id, madeAtMs, mark });
    const { atime, mtime } = statSync(file);
    const bytes = readFileSync(file);
    writeFileSync(file, bytes);
    utimesSync(file, atime, mtime);
    const changed = await unpackedAs('changed');
    assert.deepEqual([changed.id, changed.mark === mark], [id, false]);
    const meanwhile = readSource(file, async () => writeFileSync(file, bytes.subarray(1)));
    await assert.rejects(meanwhile, { code: 'RESTORE_CHANGED' });
  });

  it('goes to base with names that are cut', async () => {
    using own = await new Scene().open();
    const { database } = sitePaths(own.siteDir);
    const connection = new Connection(database, undefined, 'write');
    connection.run('UPDATE jump_clients SET name = ?', 'x'.repeat(1_000_000));
    connection.run('UPDATE accounts SET name = ?', '\u{1F30D}'.repeat(1_000));
    connection.close();
    const { clientNames, administrators } = readFacts(database);
    for (const { names } of [clientNames, administrators])
      assert.deepEqual(
        names.map(({ length }) => length),
        [RESTORE_NAME_MAX_LENGTH],
      );
  });

  it('has no say in any key but the identity', () => {
    const [here, keys] = [scene.folder('keys-here'), scene.folder('keys-of-backup')];
    for (const [folder, text] of [
      [here, 'here'],
      [keys, 'backup'],
    ] as const) {
      mkdirSync(folder);
      for (const name of ['site.key', 'site.keyring', 'pair.key', 'identity.key']) writeFileSync(join(folder, name), text);
    }
    takeKeysHere(here, keys, { from: 'backup', isSameSite: true });
    const left = (name: string) => readFileSync(join(keys, name), 'utf8');
    assert.deepEqual(['site.key', 'site.keyring', 'pair.key', 'identity.key'].map(left), ['here', 'here', 'here', 'backup']);
  });

  it('is a whole site with a history above every epoch that is known', async () => {
    const folder = scene.folder('restore/whole');
    await unpack({ file: whole, password: PASSWORD }, folder, () => undefined);
    await checkDatabase(folder);
    writeFileSync(join(scene.siteDir, 'recordings', '2026', 'one.brec'), 'as it was, and it went on');
    writeFileSync(join(scene.siteDir, 'recordings', '2026', 'two.brec'), 'made since');
    const kept = await keep(keepOrder(folder, scene.siteDir, { known: { history: 'his_x', epoch: 7 } }), log, () => undefined);
    assert.deepEqual([kept.epoch, kept.keysFrom, kept.contents, kept.recordings], [8, 'here', ['recordings', 'files'], 2]);
    assert.equal(readFileSync(join(folder, 'recordings', '2026', 'one.brec'), 'utf8'), 'as it was, and it went on');
    assert.equal(readFileSync(join(folder, 'files', 'store', 'note.txt'), 'utf8'), 'a note');
    // The key that wraps secrets is this appliance's: it is in no backup.
    const key = (dir: string) => readFileSync(join(dir, 'keys', 'site.key'));
    assert.deepEqual(key(folder), key(scene.siteDir));
    const pair = pairOf(folder);
    assert.deepEqual([pair?.self.role, pair?.self.epoch, pair?.self.history], ['single', 8, kept.history]);
    assert.ok(pair?.ancestors.includes('his_x') && pair.ancestors.includes(''));
    using reader = openReader(join(folder, 'site.db'));
    assert.equal(reader.get<{ epoch: number }>('SELECT epoch FROM writer')?.epoch, 8);
    assert.match(
      reader.get<{ summary: string }>("SELECT summary FROM audit_event WHERE code = 'SITE_RESTORED'")?.summary ?? '',
      /Restored from a test by ada/,
    );
  });

  it('takes the identity of the backup where another site is, and nothing else of that site', async () => {
    using other = await new Scene().open();
    const folder = other.folder('restore/other');
    await unpack({ file: whole, password: PASSWORD }, folder, () => undefined);
    await checkDatabase(folder);
    const kept = await keep(keepOrder(folder, other.siteDir), log, () => undefined);
    assert.deepEqual([kept.keysFrom, kept.recordings], ['backup', 0]);
    const identity = (dir: string) => readFileSync(join(dir, 'keys', 'identity.crt'), 'utf8');
    assert.equal(identity(folder), identity(scene.siteDir));
    assert.equal(existsSync(join(folder, 'keys', 'site.key')), false);
  });

  it('migrates the database of an older version, and refuses that of a newer one by its version', async () => {
    const releases = join(import.meta.dirname, '../../../../test/fixtures/releases/0.1.0');
    const old = new Scene();
    mkdirSync(old.siteDir, { recursive: true });
    const read = (name: string) => readFileSync(join(releases, name), 'utf8');
    restoreDatabase(sitePaths(old.siteDir).database, { schema: read('site.schema.sql'), rows: read('site.rows.sql') });
    const file = await old.backup(undefined, { recordings: false, files: false }, '0.1.0');
    const found = await inspect(file, undefined, scene.folder('nothing'));
    assert.ok(found.migrations.length > 10);
    const folder = old.folder('restore/old');
    await unpack({ file, password: undefined }, folder, () => undefined);
    await checkDatabase(folder);
    const kept = await keep(keepOrder(folder, scene.folder('nothing')), log, () => undefined);
    assert.equal(kept.keysFrom, 'new');
    using reader = openReader(join(folder, 'site.db'));
    assert.ok(reader.get("SELECT 1 FROM sqlite_schema WHERE name = 'trust_identities'") !== undefined);
    old[Symbol.dispose]();

    using newer = await new Scene().open();
    const connection = new Connection(sitePaths(newer.siteDir).database, undefined, 'write');
    connection.run("INSERT INTO applied_migration (version, name, sha256, at_ms, additive) VALUES (9999, 'to come', 'x', 1, 1)");
    connection.close();
    const next = await newer.backup(undefined, { recordings: false, files: false }, '9.9.9');
    await assert.rejects(inspect(next, undefined, scene.siteDir), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'BACKUP_NEWER');
      assert.match(error.message, /9\.9\.9/);
      return true;
    });
    assert.ok(statSync(next).size > 0);
  });
});
