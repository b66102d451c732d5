/**
 * A backup that was made through the API is restored on another box, whose agent comes back; base is killed meanwhile, the restore is undone, and the old appliance, which still runs, gives way.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { backupBegun, backups } from '@bascule/protocol/api/backup.ts';
import { users } from '@bascule/protocol/api/auth.ts';
import { failoverState } from '@bascule/protocol/api/failover.ts';
import { restoreState, restoreUpload, type Restoration, type RestoreState } from '@bascule/protocol/api/restore.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { FaultInjector, FAULTS_BY_FILE } from '@bascule/testkit/fault-injector.ts';
import { CHECKOUT, launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { BOX_PASSWORD, SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const LIMIT_MS = 120_000;
const PASSWORD = 'a password of a backup';
const STEPS = ['unpack', 'check', 'keep', 'trial', 'freeze', 'swap', 'start', 'report'] as const;
const RENAMES_TRIED = 4;
const started = z.object({ id: z.string() });
const isAll = process.env['BASCULE_FAULTS'] === 'all';

/** Where the agent dials: leads to the one or the other appliance, as a name in DNS does. */
class Door {
  readonly #server: Server;
  readonly #sockets = new Set<{ destroy(): void }>();
  #to: { host: string; port: number } = { host: '127.0.0.1', port: 1 };

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Door> {
    const server = createServer();
    const door = new Door(server);
    server.on('connection', (socket) => {
      const onward = connect(door.#to);
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        door.#sockets.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy() && door.#sockets.delete(one));
        one.pipe(other);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return door;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Whoever is connected dials again, and comes here. */
  leadTo({ address, port }: LaunchedAppliance): void {
    this.#to = { host: address, port };
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

const random = new SeededRandom();

describe(`a restore on another box (BASCULE_SEED=${random.seed})`, { concurrency: false }, () => {
  let old: LaunchedAppliance;
  let fresh: LaunchedAppliance;
  let door: Door;
  let site: ApiClient;
  let box: ApiClient;
  let faults: FaultInjector;
  let bytes: Buffer;

  before(async () => {
    door = await Door.open();
    const environment = (name: string) => ({ ...FAULTS_BY_FILE, BASCULE_APPLIANCE: name });
    [old, fresh] = await Promise.all([
      launchAppliance({ environment: environment('old box') }),
      launchAppliance({ address: '127.0.0.2', environment: environment('new box') }),
    ]);
    faults = new FaultInjector(fresh);
    door.leadTo(old);
    site = await ApiClient.pin(old.url);
    await site.takeOver(old.passwords.login, SITE_PASSWORD);
    box = await ApiClient.pin(fresh.url, '/appliance/api');
    await box.takeOver(fresh.passwords.appliance, BOX_PASSWORD);
    await old.startJumpClient({ name: 'door-7', url: door.url });
    await site.onlineItem('door-7');
    await site.call('POST', 'users', z.unknown(), { name: 'grace', displayName: 'Grace', role: 'user' });
    bytes = await backUp(site);
  });
  after(async () => {
    door.close();
    await faults[Symbol.asyncDispose]();
    await Promise.all([old, fresh].map((appliance) => appliance?.[Symbol.asyncDispose]()));
  });

  const state = (): Promise<RestoreState> => box.call('GET', 'restore/state', restoreState);
  const names = async (client: ApiClient): Promise<string[]> =>
    (await client.call('GET', 'users', users)).users.map(({ name }) => name).toSorted();

  /** Uploads the backup, or finds it: an upload goes on where it ended. */
  async function upload(): Promise<string> {
    const { id, receivedBytes } = await box.call('POST', 'restore/uploads', restoreUpload, {
      name: 'x.age',
      totalBytes: bytes.length,
    });
    if (receivedBytes < bytes.length)
      await put(box, `restore/uploads/${id}?from=${receivedBytes}`, bytes.subarray(receivedBytes));
    return id;
  }

  async function look(): Promise<string> {
    const id = await upload();
    await box.call('POST', 'restore/inspect', z.unknown(), { upload: id, password: PASSWORD });
    await waitUntil('it was looked into', async () => (await state()).inspection?.state !== 'running', LIMIT_MS);
    return id;
  }

  /** Restores, or undoes; gives how it has ended. */
  async function run(path: 'start' | 'undo', body: object): Promise<Restoration> {
    const { id } = await box.call('POST', `restore/${path}`, started, { confirm: 'new box', ...body });
    return await ended(id);
  }

  async function ended(id: string): Promise<Restoration> {
    return await waitUntil(
      'the restore has ended',
      async () => {
        const { last } = await state();
        return last?.id === id ? last : undefined;
      },
      LIMIT_MS,
    ).catch((error: unknown) => fresh.fail(error));
  }

  it('shows what is inside, and changes nothing for a wrong password', async () => {
    const half = Math.floor(bytes.length / 2);
    const { id } = await box.call('POST', 'restore/uploads', restoreUpload, { name: 'x.age', totalBytes: bytes.length });
    await put(box, `restore/uploads/${id}?from=0`, bytes.subarray(0, half));
    await assert.rejects(box.call('POST', 'restore/inspect', z.unknown(), { upload: id }), { code: 'UPLOAD_INCOMPLETE' });
    await upload();
    await box.call('POST', 'restore/inspect', z.unknown(), { upload: id, password: 'another password' });
    const failed = await waitUntil('it was looked into', async () => {
      const { inspection } = await state();
      return inspection?.state === 'failed' ? inspection : undefined;
    });
    assert.equal(failed.error?.code, 'BACKUP_PASSWORD_WRONG');
    await look();
    const { inspection } = await state();
    assert.equal(inspection?.error, null);
    const { preview } = inspection ?? {};
    assert.deepEqual(
      [preview?.appliance, preview?.contents.users, preview?.contents.clients, preview?.lostClients.count, preview?.isSameSite],
      ['old box', 2, 1, 0, false],
    );
  });

  /** Of the new box, whose own administrator has not taken over. */
  const namesHere = async (): Promise<string[]> => await loggedIn(fresh).then(names, () => ['admin']);

  it(
    'ends whole when base is killed, by itself',
    { skip: !isAll && 'only with BASCULE_FAULTS=all: restore.test.ts cuts it everywhere' },
    async () => {
      const all = [
        ...STEPS.flatMap((step) => [`restore-${step}/before`, `restore-${step}/after`]),
        ...Array.from({ length: RENAMES_TRIED }, () => 'restore-rename/after'),
      ];
      const points = isAll ? all : [random.pick(all)];
      for (const point of points) {
        const before = await namesHere();
        const upload = await look();
        faults.arm(`${point}:kill-base`);
        const earlier = (await state()).last?.id;
        // base may be killed before it has answered.
        await box
          .call('POST', 'restore/start', started, { upload, password: PASSWORD, confirm: 'new box' })
          .catch(() => undefined);
        await faults.untilFired(LIMIT_MS);
        await fresh.ready();
        const { outcome } = await waitUntil(
          `it has ended after ${point}`,
          async () => {
            const { last } = await state().catch(() => ({ last: null }));
            return last === null || last.id === earlier ? undefined : last;
          },
          LIMIT_MS,
        );
        const now = await namesHere();
        if (outcome === 'restored') assert.deepEqual(now, ['admin', 'grace'], point);
        else assert.deepEqual(now, before, point);
      }
    },
  );

  it('brings agents and accounts back, says who is missing, and the old appliance gives way', async () => {
    // By the command line, as on a box whose pages nobody can reach; the password is piped in.
    const file = join(fresh.directory, 'old.bascule-backup.age');
    writeFileSync(file, bytes, { mode: 0o644 });
    const said = await commandLine(fresh, ['restore', file, '--confirm', 'new box'], PASSWORD);
    assert.match(said, /Backup of old box/);
    assert.match(said, /The restore ended: restored\./);
    door.leadTo(fresh);
    const restored = await loggedIn(fresh);
    await restored.onlineItem('door-7');
    assert.deepEqual(await names(restored), ['admin', 'grace']);
    await waitUntil('everybody is back', async () => (await state()).last?.report?.clients.back === 1, LIMIT_MS);
    assert.deepEqual((await state()).last?.report?.missingClients.names, []);
    // The name in DNS leads some to the old one still: it writes no more when its agent shows it the new history.
    door.leadTo(old);
    await waitUntil(
      'the old appliance gives way',
      async () => (await site.call('GET', 'failover', failoverState).catch(() => undefined))?.self.role === 'read-only',
      LIMIT_MS,
    ).catch((error: unknown) => old.fail(error));
    door.leadTo(fresh);
    await restored.onlineItem('door-7');
  });

  it('is undone: the state before, in a history of its own', async () => {
    const { last } = await state();
    assert.equal(last?.mayUndo, true);
    const undone = await run('undo', { id: last?.id });
    assert.deepEqual([undone.operation, undone.outcome], ['undo', 'restored']);
    assert.ok((undone.report?.epoch ?? 0) > (last?.report?.epoch ?? 0));
    await fresh.ready();
  });
});

/** `npm run appliance -- ...` on the appliance, with one line of standard input; what it says. Throws unless it ends with 0. */
async function commandLine(appliance: LaunchedAppliance, args: string[], line: string): Promise<string> {
  const program = join(CHECKOUT, 'tools', 'entry', 'appliance.mjs');
  const child = spawn(process.execPath, [program, ...args, '--home', appliance.home], { stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  child.stdin.end(`${line}\n`);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) appliance.fail(new Error(`${args.join(' ')} ended with ${code}: ${said}`));
  return said;
}

async function loggedIn(appliance: LaunchedAppliance): Promise<ApiClient> {
  const client = await ApiClient.pin(appliance.url);
  assert.equal(await client.logIn('admin', SITE_PASSWORD), 'ok');
  return client;
}

/** A backup with a password, made and test-restored as the page does; its bytes. */
async function backUp(site: ApiClient): Promise<Buffer> {
  const include = { history: true, files: true, recordings: true, boxSettings: true };
  const { id } = await site.call('POST', 'backups', backupBegun, { password: PASSWORD, include, destination: 'here' });
  await waitUntil(
    'the backup is restorable',
    async () => {
      const found = (await site.call('GET', 'backups', backups)).backups.find((backup) => backup.id === id);
      if (found?.state === 'failed') throw new Error(JSON.stringify(found.problem));
      return found?.state === 'restorable';
    },
    LIMIT_MS,
  );
  const { body, status } = await site.send('GET', `backups/${id}/file`);
  assert.equal(status, 200);
  return body;
}

async function put(client: ApiClient, path: string, content: Buffer): Promise<void> {
  const { status, body } = await client.send('PUT', path, content);
  assert.equal(status, 200, body.toString());
}
