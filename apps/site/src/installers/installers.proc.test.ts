import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpProxy } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { z } from 'zod';
import type { createInstallerBody } from '@bascule/protocol/api/installers.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { enrolledClient } from '../../../../packages/client/src/testing.ts';
import { RefusedError } from '../../../../packages/client/src/enrol.ts';
import { ADMINISTRATOR } from '../jump/testing.ts';
import { InstallerScene } from './testing.ts';

const run = promisify(execFile);
/** Unpacking the runtime on a busy machine. */
const LIMIT_MS = 120_000;

let scene: InstallerScene;
const work = mkdtempSync(join(tmpdir(), 'bascule-installer-'));

before(async () => {
  scene = await InstallerScene.open();
  await scene.installers.prepare();
});
after(async () => {
  await scene.close();
  rmSync(work, { recursive: true, force: true });
});

/** The script that anybody may fetch. */
async function publicScript(name = 'jump-client.sh'): Promise<string> {
  const file = await scene.installers.publicFile(name, false);
  return (await file!.stream().toArray()).join('');
}

/** Runs the one-line command as a stranger would: in an empty directory, with nothing in the environment. */
async function install(command: string, env: Record<string, string>): Promise<{ code: number; output: string }> {
  const directory = mkdtempSync(join(work, 'endpoint-'));
  return await run('/bin/sh', ['-c', command], {
    cwd: directory,
    env: { PATH: '/usr/bin:/bin', ...env },
    timeout: LIMIT_MS,
  }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({ code: error.code, output: error.stdout + error.stderr }),
  );
}

test(
  'the one-line command installs with sh, curl, tar and sha256sum only, and the client connects',
  { timeout: LIMIT_MS },
  async () => {
    const prefix = join(work, 'target');
    const token = scene.site.token({ uses: 1 });
    const { installCommand } = await scene.installers.commands(token);
    assert.ok(!installCommand.split('sh -c').at(-1)?.includes('bjt1'), 'the token is no argument');
    // Only the tools that the page promises to need, and what every Linux has.
    const tools = join(work, 'tools');
    mkdirSync(tools);
    for (const tool of [
      'sh',
      'curl',
      'tar',
      'sha256sum',
      'uname',
      'id',
      'mkdir',
      'mktemp',
      'rm',
      'mv',
      'cat',
      'chmod',
      'df',
      'grep',
      'nohup',
      'readlink',
      'dirname',
      'ln',
      'sleep',
    ]) {
      symlinkSync((await run('sh', ['-c', `command -v ${tool}`])).stdout.trim(), join(tools, tool));
    }
    const directory = mkdtempSync(join(work, 'endpoint-'));
    const child = spawn('/bin/sh', ['-c', installCommand], {
      cwd: directory,
      env: { PATH: tools, PREFIX: prefix, FOREGROUND: '1', HOME: work },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: the shell may not be replaced by the client.
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
    const ended = once(child, 'exit');
    while (scene.site.jump.counts().online === 0 && child.exitCode === null) await new Promise((done) => setTimeout(done, 20));
    assert.equal(scene.site.jump.counts().online, 1, output);
    assert.equal(statSync(join(prefix, 'state')).mode & 0o777, 0o700);
    assert.ok(existsSync(join(prefix, 'state/identity.json')));
    assert.ok(!output.includes(token), 'the token is nowhere in what is printed');
    process.kill(-child.pid!, 'SIGTERM');
    await ended;
    while (scene.site.jump.counts().online > 0) await new Promise((done) => setTimeout(done, 20));
    const leftovers = (await run('ls', ['-A', prefix])).stdout.split('\n').filter((name) => name.startsWith('.install'));
    assert.deepEqual(leftovers, []);

    assert.deepEqual(readdirSync(directory), [], 'nothing is left where the command was run');
  },
);

test('what is installed through a proxy goes through it at every later start', { timeout: LIMIT_MS }, async () => {
  const asked: (string | undefined)[] = [];
  const proxy = createHttpProxy();
  proxy.on('connect', (request, socket) => {
    asked.push(request.headers['proxy-authorization']);
    const [host, port] = request.url!.split(':');
    const far = connect(Number(port), host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    for (const end of [far, socket]) end.on('error', () => [far, socket].forEach((each) => each.destroy()));
    far.pipe(socket).pipe(far);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const login = 'joe:s%20e=c"r$t=';
  const proxyUrl = `http://${login}@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const prefix = join(work, 'through-a-proxy');
  const { installCommand } = await scene.installers.commands(scene.site.token({ uses: 1 }));
  const run = async (command: string, env: Record<string, string>): Promise<void> => {
    const child = spawn('/bin/sh', ['-c', command], {
      cwd: mkdtempSync(join(work, 'endpoint-')),
      env: { PATH: '/usr/bin:/bin', HOME: work, ...env },
      stdio: 'ignore',
      detached: true,
    });
    while (scene.site.jump.counts().online === 0 && child.exitCode === null) await new Promise((done) => setTimeout(done, 20));
    assert.equal(scene.site.jump.counts().online, 1);
    process.kill(-child.pid!, 'SIGTERM');
    while (scene.site.jump.counts().online > 0) await new Promise((done) => setTimeout(done, 20));
  };
  try {
    await run(installCommand, { PREFIX: prefix, FOREGROUND: '1', HTTPS_PROXY: proxyUrl, NO_PROXY: 'elsewhere.example' });
    const file = join(prefix, 'proxy.env');
    assert.equal(readFileSync(file, 'utf8'), `HTTPS_PROXY=${proxyUrl}\nNO_PROXY=elsewhere.example\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    asked.length = 0;
    const program = `exec ${join(prefix, 'bascule-jump-client')}`;
    await run(program, {});
    assert.deepEqual(asked, [`Basic ${Buffer.from('joe:s e=c"r$t=').toString('base64')}`]);
    // What an administrator of the machine sets by hand goes first.
    await run(program, { HTTPS_PROXY: proxyUrl, NO_PROXY: '127.0.0.1' });
    assert.equal(asked.length, 1);
  } finally {
    proxy.close();
  }
});

test('a wrong TLS key, script or archive installs nothing, and says so in one sentence', { timeout: LIMIT_MS }, async () => {
  const token = scene.site.token();
  const { installCommand } = await scene.installers.commands(token);
  const other = Buffer.alloc(32, 1).toString('base64');
  const wrongPin = await install(installCommand.replaceAll(scene.webKeyPin, other), { PREFIX: join(work, 'no-1') });
  assert.notEqual(wrongPin.code, 0);
  const wrongScript = await install(installCommand.replace(/'[0-9a-f]{64} {2}-'/, `'${'0'.repeat(64)}  -'`), {
    PREFIX: join(work, 'no-2'),
  });
  assert.notEqual(wrongScript.code, 0);
  assert.match(wrongScript.output, /not the installer of this page; nothing was run/);
  const oddPrefix = await install(installCommand, { PREFIX: join(work, "it's") });
  assert.match(oddPrefix.output, /has characters other than letters, digits/);
  const name = /program_files='([0-9a-f]{64})'/.exec(await publicScript())![1]!;
  scene.altered = { name: `program-${name}.tar`, bytes: Buffer.from('something else') };
  const wrongArchive = await install(installCommand, { PREFIX: join(work, 'no-3') });
  scene.altered = undefined;
  assert.match(wrongArchive.output, /what came as program is not what it should be \(wrong SHA-256\): nothing was installed\./);
  for (const target of ['no-1', 'no-2', 'no-3']) assert.ok(!existsSync(join(work, target, 'bascule-jump-client')));
  assert.equal(
    scene.site.jump.tokens.list().find((row) => row.usesLeft < row.uses && row.uses === 100),
    undefined,
    'no token was used',
  );
});

test(
  'a key that is refused leaves nothing of a first installation, and all that was there before',
  { timeout: LIMIT_MS },
  async () => {
    const token = scene.site.token({ uses: 1 });
    const { installCommand } = await scene.installers.commands(token);
    scene.site.jump.tokens.revoke(
      ADMINISTRATOR,
      scene.site.jump.tokens.list().find(({ uses, usesLeft }) => uses === 1 && usesLeft === 1)!.id,
    );
    const prefix = join(work, 'refused');
    const { code, output } = await install(installCommand, { PREFIX: prefix, HOME: work });
    assert.notEqual(code, 0);
    assert.match(output, /could not be enrolled \(see above\); nothing was left here\.\n$/);
    assert.ok(!existsSync(prefix), 'the folder that it made is gone');
    mkdirSync(join(prefix, 'lib'), { recursive: true });
    for (const name of ['mine', '.mine', 'lib/mine']) writeFileSync(join(prefix, name), 'mine');
    await install(installCommand, { PREFIX: prefix, HOME: work });
    assert.deepEqual(readdirSync(prefix).sort(), ['.mine', 'lib', 'mine']);
    assert.ok(existsSync(join(prefix, 'lib/mine')));
  },
);

test('each missing thing is named in one sentence', { timeout: LIMIT_MS }, async () => {
  const script = join(work, 'script.sh');
  writeFileSync(script, await publicScript());
  const fake = join(work, 'fake');
  mkdirSync(fake);
  writeFileSync(
    join(fake, 'uname'),
    '#!/bin/sh\ncase $1 in -s) echo "${FAKE_SYSTEM:-Linux}" ;; -m) echo "${FAKE_MACHINE:-x86_64}" ;; esac\n',
    { mode: 0o755 },
  );
  writeFileSync(join(fake, 'id'), '#!/bin/sh\necho 1000\n', { mode: 0o755 });
  writeFileSync(join(fake, 'df'), '#!/bin/sh\necho Filesystem\necho /dev/x 100 90 10 90% /\n', { mode: 0o755 });
  const path = `${fake}:/usr/bin:/bin`;
  const cases: [Record<string, string>, RegExp][] = [
    [{ PATH: path, FAKE_SYSTEM: 'Darwin' }, /for Linux only; this is Darwin\.$/m],
    [{ PATH: path, FAKE_MACHINE: 'armv7l' }, /for x64 processors only; this is armv7l\.$/m],
    [{ PATH: fake }, /the program curl is missing/],
    [{ PATH: path }, /neither root nor a home directory/],
    [{ PATH: path, HOME: join(work, 'home-1') }, /BASCULE_TOKEN is missing/],
    [{ PATH: path, PREFIX: 'relative' }, /PREFIX must be an absolute path/],
    [{ PATH: path, PREFIX: join(work, 'full'), BASCULE_TOKEN: 'x' }, /there are 10 KiB free in .*, but \d+ KiB are needed\./],
  ];
  for (const [env, expected] of cases) {
    const { code, output } = await install(`/bin/sh ${script}`, env);
    assert.notEqual(code, 0);
    assert.match(output, expected);
    assert.equal(output.trim().split('\n').length, 1, output);
  }
});

async function makeInstaller(name: string, more: Partial<z.infer<typeof createInstallerBody>> = {}) {
  return await scene.installers.create(ADMINISTRATOR, {
    program: 'jump-client',
    name,
    validForHours: 1,
    uses: 10,
    groupId: null,
    approveEach: false,
    mode: 'active',
    tags: [],
    comment: '',
    isGeneric: false,
    version: 'current',
    ...more,
  });
}

/** A file of an installer on disk. */
async function saved(id: string, format: 'sh' | 'deb' | 'tar.gz'): Promise<string> {
  const file = await scene.installers.file(ADMINISTRATOR, id, format);
  const path = join(work, `${id}-${file.name}`);
  await pipeline(file.stream(), createWriteStream(path));
  assert.equal(statSync(path).size, file.bytes);
  return path;
}

const stateOf = async (id: string) => (await scene.installers.list()).installers.find((each) => each.id === id)?.state;
const isRefused =
  (words: RegExp, code = 'token-invalid') =>
  (error: unknown) =>
    error instanceof RefusedError && error.code === code && words.test(error.message);

test('what the wizard asks for is given to every client at its enrolment', async () => {
  scene.site.jump.groups.create(ADMINISTRATOR, 'Branch');
  const groupId = scene.site.jump.groups.list().find(({ name }) => name === 'Branch')!.id;
  const made = await makeInstaller('branch', {
    program: 'jumpoint',
    groupId,
    approveEach: true,
    mode: 'passive',
    tags: ['till', 'north'],
    comment: 'ordered by Ada',
  });
  const { identity, home } = await enrolledClient(scene.site.target, made.key);
  home.close();
  const item = scene.site.jump.item(identity.client)!;
  assert.deepEqual(
    [item.groupName, item.state, item.mode, item.tags, item.comment, item.program],
    ['Branch', 'waiting-for-approval', 'passive', ['till', 'north'], 'ordered by Ada', 'jumpoint'],
  );
  assert.equal((await scene.installers.list()).installers.find(({ id }) => id === made.installer.id)?.usesLeft, 9);
});

test('the key is in the answer and in the files of an installer that is not generic, and nowhere else', async () => {
  const [own, generic] = [await makeInstaller('own'), await makeInstaller('generic', { isGeneric: true })];
  const secret = (key: string) => key.split('.')[2]!;
  for (const format of ['sh', 'deb', 'tar.gz'] as const) {
    const texts = await Promise.all(
      [own, generic].map(async ({ installer }) => {
        const path = await saved(installer.id, format);
        if (format === 'sh') return readFileSync(path, 'latin1');
        const unpack =
          format === 'deb' ? ['dpkg-deb', '--raw-extract'] : ['sh', '-c', 'mkdir "$2" && tar -xzf "$1" -C "$2"', 'sh'];
        const into = `${path}.d`;
        await run(unpack[0]!, [...unpack.slice(1), path, into]);
        return (await run('grep', ['-rlIE', 'bjt1\\.[A-Za-z0-9_-]{22}\\.', into]).catch(() => ({ stdout: '' }))).stdout;
      }),
    );
    if (format === 'sh')
      assert.deepEqual(
        texts.map((text) => text.includes('bjt1.')),
        [true, false],
      );
    else
      assert.deepEqual(
        texts.map((found) => found.trim().split('/').at(-1)),
        ['key', ''],
      );
  }
  const handedOut = readAudit(scene.site.store, { limit: 200 }).filter(({ code }) => code === 'INSTALLER_KEY_HANDED_OUT');
  assert.deepEqual(
    handedOut.map(({ details }) => JSON.parse(details)).reverse(),
    ['sh', 'deb', 'tar.gz'].map((format) => ({ installerId: own.installer.id, name: 'own', format })),
    'who took a key along is known',
  );
  assert.ok(!JSON.stringify(await scene.installers.list()).includes(secret(own.key)));
  const database = readFileSync(join(scene.site.directory, 'site.db'));
  const journal = join(scene.site.directory, 'site.db-wal');
  for (const bytes of [database, existsSync(journal) ? readFileSync(journal) : Buffer.alloc(0)])
    for (const { key } of [own, generic]) assert.ok(!bytes.includes(secret(key)), 'the database holds no key in the clear');
  const { installCommand, checkoutCommand } = await scene.installers.commands(own.key);
  assert.ok(!/--token/.test(checkoutCommand) && checkoutCommand.startsWith('BASCULE_TOKEN='));
  assert.ok(!installCommand.split('sh -c').at(-1)!.includes('bjt1'));
});

test('revoked, used up and expired ones enrol nobody, and their files lose the key', async () => {
  const made = await makeInstaller('once', { uses: 1 });
  const { home } = await enrolledClient(scene.site.target, made.key);
  home.close();
  assert.equal(await stateOf(made.installer.id), 'used-up');
  await assert.rejects(enrolledClient(scene.site.target, made.key), isRefused(/not valid \(any more\)/));
  const revoked = await makeInstaller('revoked');
  scene.installers.revoke(ADMINISTRATOR, revoked.installer.id);
  assert.equal(await stateOf(revoked.installer.id), 'revoked');
  await assert.rejects(enrolledClient(scene.site.target, revoked.key), isRefused(/not valid \(any more\)/));
  assert.ok(!readFileSync(await saved(revoked.installer.id, 'sh'), 'utf8').includes('bjt1'));
});

test('after a rotation of the site identity those of before are outdated, and say so in the list', async () => {
  const { installer } = await makeInstaller('of the former identity');
  const { identityInForce } = scene;
  scene.identityInForce = '0'.repeat(64);
  assert.equal(await stateOf(installer.id), 'outdated');
  assert.ok(!readFileSync(await saved(installer.id, 'sh'), 'utf8').includes('bjt1'));
  scene.identityInForce = identityInForce;
  assert.equal(await stateOf(installer.id), 'valid');
});

test('there is a place for Windows packages: without a builder they say why they are not there', async () => {
  const { installer } = await makeInstaller('windows');
  assert.equal(installer.files.find(({ format }) => format === 'msi')?.problem?.code, 'INSTALLER_MSI_UNAVAILABLE');
  await assert.rejects(scene.installers.file(ADMINISTRATOR, installer.id, 'msi'), { code: 'INSTALLER_MSI_UNAVAILABLE' });
});

/** The command runs nothing but the script that it names: what anybody may fetch has to have that hash. */
async function checkPinned({ installCommand }: { installCommand: string }): Promise<void> {
  const name = /\/install\/(\S+\.sh)\)/.exec(installCommand)?.[1] ?? '';
  const sha256 = createHash('sha256')
    .update(await publicScript(name))
    .digest('hex');
  assert.ok(installCommand.includes(`'${sha256}  -'`), name);
}

test('a command fits the script that it fetches, whatever goes with it', async () => {
  await checkPinned(await makeInstaller('passive', { mode: 'passive' }));
  await checkPinned(await makeInstaller('gateway', { program: 'jumpoint' }));
});

test('where nobody chose a mode, the one of the settings is installed', async () => {
  const command = async () => (await scene.installers.commands(scene.site.token())).installCommand;
  assert.doesNotMatch(await command(), /BASCULE_MODE/);
  scene.defaultMode = 'passive';
  try {
    assert.match(await command(), / BASCULE_MODE='passive' /);
    const { defaultMode } = await scene.installers.list();
    assert.equal(defaultMode, 'passive');
    const file = join(mkdtempSync(join(work, 'download-')), 'jump-client.tar.gz');
    const { version } = scene.programs.current;
    const { stream } = await scene.installers.download(`bascule-jump-client-${version}.tar.gz`);
    await pipeline(stream(), createWriteStream(file));
    const { stdout: script } = await run('tar', ['-xzOf', file, `bascule-jump-client-${version}/install.sh`]);
    assert.match(script, /^mode=\$\{BASCULE_MODE:-passive\}$/m);
  } finally {
    scene.defaultMode = 'active';
  }
});

test('an installer for the next version waits for it, those of this version are invalid afterwards (B94-B99, B120)', async () => {
  await assert.rejects(makeInstaller('too early', { version: 'next' }), { code: 'INSTALLER_NO_NEXT' });
  const before = await makeInstaller('before');
  scene.programs.nextVersion = '7.0.0';
  const early = await makeInstaller('early', { version: 'next' });
  assert.equal(early.installer.state, 'early');
  await checkPinned(early);
  assert.match(early.installCommand, /install\/jump-client-7\.0\.0\.sh/);
  assert.match(readFileSync(await saved(early.installer.id, 'sh'), 'utf8'), /write_settings .*'"7\.0\.0"'/);
  await assert.rejects(
    enrolledClient(scene.site.target, early.key),
    isRefused(/is for version 7\.0\.0, and this appliance still runs/, 'busy'),
  );
  assert.ok(
    scene.installers.outdated('7.0.0').some(({ id }) => id === before.installer.id),
    'told before the upgrade',
  );
  assert.ok(!scene.installers.outdated('7.0.0').some(({ id }) => id === early.installer.id));
  assert.deepEqual(
    (await scene.installers.downloads()).downloads
      .filter(({ age }) => age === 'next')
      .map(({ name }) => name)
      .slice(0, 1),
    ['bascule-console_7.0.0_amd64.deb'],
  );

  const name = `bascule-jump-client_${scene.programs.current.version}_amd64.deb`;
  scene.programs.upgradeTo('7.0.0');
  assert.equal(await stateOf(before.installer.id), 'outdated');
  assert.equal(await stateOf(early.installer.id), 'valid');
  await checkPinned(early);
  await assert.rejects(
    enrolledClient(scene.site.target, before.key),
    isRefused(/'before' was made by version .* which runs 7\.0\.0 now/),
  );
  const { home } = await enrolledClient(scene.site.target, early.key);
  home.close();
  // To remove what they installed (B99): without the key, which is of no use any more.
  scene.installers.forgetUselessKeys();
  const { stdout } = await run('dpkg-deb', ['--contents', await saved(before.installer.id, 'deb')]);
  assert.ok(!stdout.includes('/key'));
  assert.equal((await scene.installers.downloads()).downloads.find((each) => each.name === name)?.age, 'earlier');
  await assert.rejects(scene.installers.file(ADMINISTRATOR, before.installer.id, 'sh'), { code: 'INSTALLER_OUTDATED' });
});

test('a stranger with a wrong secret learns nothing about an outdated installer', async () => {
  const { key } = await makeInstaller('guessed');
  scene.programs.upgradeTo('8.0.0');
  const parts = key.split('.');
  parts[2] = Buffer.alloc(32, 7).toString('base64url');
  await assert.rejects(
    enrolledClient(scene.site.target, parts.join('.')),
    isRefused(/^The installer token is not valid \(any more\)/),
  );
});

test(
  'installed ahead by the one-liner, the client waits for its appliance, and comes online when that is upgraded',
  { timeout: LIMIT_MS },
  async () => {
    scene.programs.nextVersion = '9.0.0';
    const { installCommand } = await makeInstaller('ahead', { version: 'next' });
    const prefix = join(work, 'ahead');
    const { code, output } = await install(installCommand.replace('sh -c', 'timeout 60 sh -c'), { PREFIX: prefix, HOME: work });
    assert.equal(code, 0, output);
    assert.match(output, /It waits until the appliance runs version 9\.0\.0/);
    assert.equal(statSync(join(prefix, 'key')).mode & 0o777, 0o600);
    const log = () => readFileSync(join(prefix, 'client.log'), 'utf8');
    await waitUntil('it says that it is tried again', () => log().includes('is not enrolled yet'));
    assert.equal(scene.site.jump.counts().online, 0);
    scene.programs.upgradeTo('9.0.0');
    await waitUntil('the identity is there', () => existsSync(join(prefix, 'state/identity.json')), LIMIT_MS);
    // The links of this site still say the former version: the client goes on waiting, although it is enrolled.
    await waitUntil('it says what it waits for', () => log().includes('installed for version 9.0.0'), LIMIT_MS);
    assert.equal(scene.site.jump.counts().online, 0);
    const end = () =>
      run('sh', ['-c', `for p in /proc/[0-9]*; do case $(readlink $p/exe) in ${prefix}/*) kill \${p#/proc/} ;; esac; done`]);
    await end();
    await waitUntil('it has ended', async () =>
      (await run(join(prefix, 'bascule-jump-client'), ['status']).catch(() => ({ stdout: 'not running' }))).stdout.includes(
        'not running',
      ),
    );
    await scene.restartLinksAs('9.0.0');
    const client = spawn(join(prefix, 'bascule-jump-client'), { stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } });
    await waitUntil('it is online', () => scene.site.jump.counts().online === 1, LIMIT_MS);
    const settings = JSON.parse(readFileSync(join(prefix, 'settings.json'), 'utf8')) as { waitsForVersion: string | null };
    assert.equal(settings.waitsForVersion, null, 'a site that goes back keeps it');
    client.kill();
    await once(client, 'exit');
  },
);
