/** Backups of a real site, made and restored on trial by the real programs. */
import assert from 'node:assert/strict';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import Fastify from 'fastify';
import { must } from '@bascule/core/must.ts';
import { unpackBackup } from '@bascule/backup-format/unpack-backup.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { testContext } from '@bascule/store/testing.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { backupRoutes } from './backup-routes.ts';
import { BACKUP_FAULT, BACKUP_STEPS } from './backup-order.ts';
import { ALL, openTestBackups, TEST_BACKUP_PASSWORD } from './testing.ts';

type Opened = Awaited<ReturnType<typeof openTestBackups>>;
let opened: Opened;
before(async () => {
  opened = await openTestBackups();
  const folder = join(opened.config.paths.recordings, '2026');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'a.brec'), Buffer.alloc(300_000, 'recorded '));
  mkdirSync(join(opened.config.paths.files, 'store'), { recursive: true });
  writeFileSync(join(opened.config.paths.files, 'store', 'notes'), 'stored');
});
after(() => opened[Symbol.asyncDispose]());

const person = { ...testContext, actor: { kind: 'user' as const, id: 'usr_1', name: 'ada' } };

async function made(request: Partial<Parameters<Opened['backups']['make']>[1]> = {}) {
  const { backups } = opened;
  const { id } = await backups.make(person, { include: ALL, destination: 'here', ...request });
  await backups.idle();
  return backups.get(id);
}

async function contents(backup: { fileName: string }, password?: string): Promise<string> {
  const into = join(opened.home, `unpacked-${backup.fileName}`);
  await unpackBackup(createReadStream(join(opened.backups.destinations.here, backup.fileName)), into, { password });
  return into;
}

function codesIn(file: string): string[] {
  using reader = openReader(file);
  return reader.all<{ code: string }>('SELECT code FROM audit_event').map(({ code }) => code);
}

describe('a backup of the site', () => {
  it('with a password holds all but the vault key, and is restorable', async () => {
    const backup = await made({ password: TEST_BACKUP_PASSWORD });
    assert.deepEqual([backup.state, backup.problem, backup.isHere, backup.madeBy], ['restorable', null, true, 'ada']);
    assert.deepEqual(backup.leftOut, [{ what: 'vault-key', why: 'never' }]);
    assert.equal(statSync(join(opened.backups.destinations.here, backup.fileName)).mode & 0o777, 0o600);
    const into = await contents(backup, TEST_BACKUP_PASSWORD);
    assert.deepEqual(readdirSync(join(into, 'keys')).toSorted(), ['identity.crt', 'identity.key']);
    assert.deepEqual(JSON.parse(readFileSync(join(into, 'box', 'settings.json'), 'utf8')), { format: 'test', withSecrets: true });
    assert.equal(readFileSync(join(into, 'files', 'notes'), 'utf8'), 'stored');
    assert.equal(statSync(join(into, 'recordings', '2026', 'a.brec')).size, 300_000);
    assert.ok(codesIn(join(into, 'site.db')).includes('BACKUP_BEGUN'));
    assert.deepEqual(readdirSync(opened.config.paths.backupWork), []);
  });

  it('is downloaded whole, or the part of it that was cut off', async () => {
    const { backups } = opened;
    const backup = backups.list().backups[0]!;
    const file = readFileSync(join(backups.destinations.here, backup.fileName));
    const download = must(
      backupRoutes(backups).find(({ url }) => url === '/backups/:id/file'),
      'the route',
    );
    const app = Fastify();
    app.get('/', (request, reply) => download.handle({ context: person, params: { id: backup.id }, request, reply } as never));
    const ask = async (range?: string) => await app.inject({ url: '/', headers: { ...(range !== undefined && { range }) } });
    const whole = await ask();
    assert.deepEqual([whole.statusCode, whole.rawPayload.equals(file)], [200, true]);
    assert.equal(whole.headers['content-disposition'], `attachment; filename="${backup.fileName}"`);
    for (const [range, from, to] of [
      ['bytes=100-', 100, file.length],
      ['bytes=5-9', 5, 10],
      ['bytes=-7', file.length - 7, file.length],
    ] as const) {
      const part = await ask(range);
      assert.deepEqual([part.statusCode, part.rawPayload.equals(file.subarray(from, to))], [206, true], range);
      assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${file.length}`);
    }
    assert.equal((await ask(`bytes=${file.length}-`)).statusCode, 416);
    await app.close();
  });

  it('by a row that somebody made up hands out and removes nothing', async () => {
    const { backups, home, site } = opened;
    const { id, fileName } = backups.list().backups[0]!;
    const key = join(home, 'account.key');
    writeFileSync(key, 'secret');
    const name = (file: string) =>
      site.parts.store.transact(testContext, { code: 'TEST_MADE', summary: 'made', details: {} } as never, (tx) =>
        tx.run('UPDATE backups SET file_name = ? WHERE id = ?', file, id),
      );
    name('../account.key');
    await assert.rejects(backups.file(person, id), { kind: 'not-found' });
    await assert.rejects(backups.delete(person, id), { kind: 'not-found' });
    assert.equal(readFileSync(key, 'utf8'), 'secret');
    name(fileName);
    assert.equal((await backups.file(person, id)).fileName, fileName);
  });

  it('without a password and history leaves identity, secrets of the box and old events out, and is restorable', async () => {
    const backup = await made({ include: { history: false, files: false, recordings: false, boxSettings: true } });
    assert.equal(backup.state, 'restorable', backup.problem?.message ?? '');
    const left = backup.leftOut.map(({ what }) => what);
    assert.deepEqual(left, ['history', 'files', 'recordings', 'identity', 'box-secrets', 'vault-key']);
    const into = await contents(backup);
    assert.deepEqual(readdirSync(into).toSorted(), ['box', 'site.db']);
    assert.equal(codesIn(join(into, 'site.db')).length, 1);
  });

  it('counts what people change after it, and nothing else', async () => {
    const { backups, site } = opened;
    assert.equal(backups.list().last?.changesSince, 0);
    const settings = site.parts.settings.current();
    site.parts.settings.change(person, { ...settings, loginIdleMinutes: 77 });
    const { count, changes } = backups.changes(undefined);
    assert.deepEqual([count, changes[0]?.actor, backups.last()?.changesSince], [1, 'ada', 1]);
    assert.match(changes[0]?.text ?? '', /loginIdleMinutes/);
  });

  it('that was damaged where it lies is found by the next check, and a wrong password too', async () => {
    const { backups } = opened;
    const [encrypted] = backups.list().backups.filter(({ isEncrypted }) => isEncrypted);
    // Whatever is typed: to a backup without a password none belongs.
    const [bare] = backups.list().backups.filter(({ isEncrypted }) => !isEncrypted);
    backups.check(person, bare!.id, 'not the password');
    await backups.idle();
    assert.equal(backups.get(bare!.id).problem, null);
    backups.check(person, encrypted!.id, 'not the password');
    await backups.idle();
    assert.equal(backups.get(encrypted!.id).problem?.code, 'BACKUP_PASSWORD_WRONG');
    const path = join(backups.destinations.here, encrypted!.fileName);
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from([255]), 0, 1, statSync(path).size - 30);
    closeSync(file);
    backups.check(person, encrypted!.id, TEST_BACKUP_PASSWORD);
    await backups.idle();
    assert.match(backups.get(encrypted!.id).problem?.code ?? '', /^BACKUP_(TRUNCATED|DAMAGED)$/);
    await backups.delete(person, encrypted!.id);
    assert.ok(!existsSync(path));
  });

  it('is refused before it begins when there is no room, and recordings without their history', async () => {
    const { site } = opened;
    const tight = opened.open({ reserveBytes: Number.MAX_SAFE_INTEGER / 2 });
    await assert.rejects(tight.make(person, { include: ALL, destination: 'here' }), { code: 'BACKUP_NO_ROOM' });
    const include = { ...ALL, history: false };
    await assert.rejects(opened.backups.make(person, { include, destination: 'here' }), {
      code: 'BACKUP_RECORDINGS_NEED_HISTORY',
    });
    assert.ok(!site.parts.backups.list().backups.some(({ state }) => state === 'making'));
  });

  it('is made once for an upgrade, however often it is asked for', async () => {
    const { backups } = opened;
    const one = await backups.makeForUpgrade('plan-1');
    const other = await backups.makeForUpgrade('plan-2');
    await backups.cancel(person, other.id);
    await backups.idle();
    assert.deepEqual(await backups.makeForUpgrade('plan-1'), one);
    assert.equal(backups.upgradeState(one.id).state, 'restorable');
    assert.equal(backups.upgradeState(other.id).state, 'failed');
  });

  it('killed at any step leaves no half file under its name, and nothing after the next start', async () => {
    const here = opened.backups.destinations.here;
    const whole = () => readdirSync(here).filter((name) => !name.endsWith('.part'));
    const environment: NodeJS.ProcessEnv = {};
    const cut = opened.open({ environment });
    for (const step of BACKUP_STEPS) {
      const before = whole();
      environment[BACKUP_FAULT] = step;
      const { id } = await cut.make(person, { include: ALL, destination: 'here' });
      await cut.idle();
      const { state, problem, fileName } = cut.get(id);
      assert.deepEqual([step, state, problem?.code], [step, 'failed', 'BACKUP_PROGRAM_ENDED']);
      if (whole().length > before.length) await contents({ fileName });
    }
    await cut.close();
    // The last attempts removed what the ones before had left; the next start removes the rest.
    writeFileSync(join(here, 'left.bascule-backup.part'), '');
    const next = opened.open();
    next.start();
    await waitUntil(
      'everything that was left is gone',
      () => !readdirSync(here).some((name) => name.endsWith('.part')) || undefined,
    );
    assert.deepEqual(readdirSync(opened.config.paths.backupWork), []);
    await next.close();
  });
});
