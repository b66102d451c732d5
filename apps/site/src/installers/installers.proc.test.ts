import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
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
import { waitUntil } from '@bascule/testkit/wait-until.ts';
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
async function publicScript(): Promise<string> {
  const file = await scene.installers.publicFile('jump-client.sh', false);
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
