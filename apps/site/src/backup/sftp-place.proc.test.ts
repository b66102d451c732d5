/** Backups over SFTP to Debian's sshd, as an ordinary user would run it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { BackupDestinationBody } from '@bascule/protocol/api/backup.ts';
import { testContext } from '@bascule/store/testing.ts';
import { openBackupPlace } from './backup-place.ts';
import type { OpenPlace } from './backup-order.ts';
import { askHostKey, checkPrivateKey } from './sftp-place.ts';
import { openTestBackups } from './testing.ts';

let folder: string;
let server: ChildProcess;
let port: number;
let place: Extract<OpenPlace, { kind: 'sftp' }>;
const stored = (): string => join(folder, 'stored');

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bascule-sftp-'));
  mkdirSync(stored());
  for (const key of ['host', 'user']) spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)]);
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  ({ port } = probe.address() as AddressInfo);
  probe.close();
  await once(probe, 'close');
  writeFileSync(
    join(folder, 'config'),
    [
      `ListenAddress 127.0.0.1`,
      `Port ${port}`,
      `HostKey ${join(folder, 'host')}`,
      `AuthorizedKeysFile ${join(folder, 'user.pub')}`,
      'PidFile none',
      'StrictModes no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      'Subsystem sftp internal-sftp',
      'ForceCommand internal-sftp',
    ].join('\n'),
  );
  mkdirSync('/run/sshd', { recursive: true });
  server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  while (!said.includes('Server listening')) said += String((await once(server.stderr!, 'data'))[0]);
  server.stderr?.resume();
  const { hostKey } = await askHostKey('127.0.0.1', port);
  place = {
    kind: 'sftp',
    host: '127.0.0.1',
    port,
    account: userInfo().username,
    path: stored(),
    hostKey,
    secret: { kind: 'private-key', privateKey: readFileSync(join(folder, 'user'), 'utf8') },
  };
});
after(() => {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function* bytesOf(count: number, each = 300_000): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < count; sent += 1) yield Buffer.alloc(each, sent);
}

describe('a place behind SFTP', () => {
  it('shows the host key as ssh-keygen does, and is spoken to with that key alone', async () => {
    const printed = spawnSync('ssh-keygen', ['-lf', join(folder, 'host.pub')], { encoding: 'utf8' }).stdout;
    assert.equal(printed.split(' ')[1], place.hostKey);
    const other = { ...place, hostKey: `SHA256:${'A'.repeat(43)}` };
    await assert.rejects(openBackupPlace(other), { code: 'BACKUP_HOST_KEY_OTHER' });
    const password = { ...place, secret: { kind: 'password' as const, password: 'wrong' } };
    await assert.rejects(openBackupPlace(password), { code: 'BACKUP_PLACE_FAILED', message: /refuses the account/ });
    await assert.rejects(openBackupPlace({ ...place, port: 1 }), { code: 'BACKUP_PLACE_FAILED', message: /cannot be reached/ });
    assert.throws(() => checkPrivateKey('no key', undefined), { code: 'BACKUP_PRIVATE_KEY_INVALID' });
  });

  it('keeps a file whole or not at all', async () => {
    const opened = await openBackupPlace(place);
    await opened.probe();
    assert.ok(((await opened.freeBytes()) ?? 0) > 0);
    await opened.write('a.bascule-backup', bytesOf(10));
    let bytes = 0;
    for await (const piece of opened.read('a.bascule-backup')) bytes += piece.length;
    assert.equal(bytes, 3_000_000);
    const broken = (async function* () {
      yield* bytesOf(2);
      throw new Error('the source failed');
    })();
    await assert.rejects(opened.write('b.bascule-backup', broken), /the source failed/);
    assert.deepEqual(readdirSync(stored()), ['a.bascule-backup']);
    await opened.remove('a.bascule-backup');
    await opened.remove('a.bascule-backup');
    assert.deepEqual(readdirSync(stored()), []);
    const missing = await openBackupPlace({ ...place, path: join(folder, 'missing') });
    await assert.rejects(missing.probe(), { code: 'BACKUP_PLACE_FAILED', message: /does not exist there/ });
    for (const each of [opened, missing]) each.close();
  });

  it('takes backups of a schedule, which are restored on trial from there, and keeps as many as are wanted', async () => {
    await using site = await openTestBackups();
    const { backups, clock } = site;
    const body: BackupDestinationBody = { name: 'store room', place };
    const { id: destination } = await backups.destinations.add(testContext, body);
    assert.ok(!JSON.stringify(site.site.parts.store.all('SELECT place FROM backup_destinations')).includes('PRIVATE'));
    const withoutSecret = { name: 'moved', place: { ...place, secret: undefined, port: port + 1 } };
    await assert.rejects(backups.destinations.change(testContext, destination, withoutSecret), { code: 'BACKUP_SECRET_NEEDED' });
    const include = { history: false, files: false, recordings: false, boxSettings: false };
    const times = { kind: 'hours' as const, everyHours: 1 };
    backups.schedule.change(testContext, { isOn: true, times, include, destination, retention: { count: 1, days: null } });
    for (let round = 0; round < 2; round += 1) {
      clock.nowMs += 61 * 60_000;
      await backups.schedule.look();
      await backups.idle();
    }
    const list = backups.list().backups;
    assert.deepEqual(
      list.map(({ state, reason, destinationName, isHere }) => [state, reason, destinationName, isHere]),
      [['restorable', 'schedule', 'store room', false]],
    );
    assert.deepEqual(readdirSync(stored()), [list[0]?.fileName]);
    assert.throws(() => backups.destinations.remove(testContext, destination), { code: 'BACKUP_DESTINATION_IN_USE' });
    const ended = once(server, 'exit');
    server.kill();
    await ended;
    clock.nowMs += 61 * 60_000;
    await backups.schedule.look();
    await backups.idle();
    assert.equal(backups.list().schedule.problem?.code, 'BACKUP_SCHEDULE_FAILED');
    assert.match(site.mails.join(), /cannot be reached/);
    assert.equal(backups.list().last?.id, list[0]?.id);
  });
});
