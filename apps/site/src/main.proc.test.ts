import assert from 'node:assert/strict';
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fromSite, type FromSite, type ToSite } from '@bascule/protocol/base-site.ts';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { testSiteConfig } from './testing.ts';

const config = testSiteConfig();
const { paths: _paths, webDir: _webDir, verifyTool: _verifyTool, keyFile: _keyFile, ...start } = config;
let site: ChildProcess;

function startSite(environment: Record<string, string>): ChildProcess {
  return fork(join(import.meta.dirname, 'main.ts'), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  });
}

async function answerOf<K extends FromSite['kind']>(child: ChildProcess, kind: K): Promise<Extract<FromSite, { kind: K }>> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [unknown];
    const parsed = fromSite.parse(message);
    if (parsed.kind === kind) return parsed as Extract<FromSite, { kind: K }>;
  }
}

function ask<K extends FromSite['kind']>(message: ToSite, kind: K): Promise<Extract<FromSite, { kind: K }>> {
  const answer = answerOf(site, kind);
  site.send(message);
  return answer;
}

/** Logs in through the Unix socket, as base carries it; the status. */
async function logIn(password: string): Promise<number | undefined> {
  const sent = request({
    createConnection: () => connectWithPreamble(config.paths.mainSocket, { address: '192.0.2.7', port: 4711 }),
    method: 'POST',
    path: '/api/auth/login',
    headers: { host: 'localhost:8443', 'content-type': 'application/json' },
  });
  sent.end(JSON.stringify({ name: 'admin', password }));
  const [answer] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
  answer.resume();
  return answer.statusCode;
}

before(() => {
  site = startSite({ BASCULE_SITE: JSON.stringify(start) });
});
after(() => {
  site.kill('SIGKILL');
  rmSync(dirname(config.siteDir), { recursive: true, force: true });
});

test('starts, gives the first password once, answers its parent, serves behind the preamble, and stops', async () => {
  const { firstPassword } = await answerOf(site, 'ready');
  assert.ok(firstPassword);
  assert.deepEqual(
    [(await ask({ kind: 'health', nonce: 5 }, 'health')).nonce, await logIn('wrong'), await logIn(firstPassword)],
    [5, 401, 200],
  );

  const { password, nonce } = await ask({ kind: 'reset-password', nonce: 6, user: 'admin' }, 'password-reset');
  assert.equal(nonce, 6);
  assert.ok(password);
  assert.equal(await logIn(password), 200);
  const unknown = await ask({ kind: 'reset-password', nonce: 7, user: 'nobody' }, 'password-reset');
  assert.match(unknown.error ?? '', /no user 'nobody'/);
  assert.equal((await ask({ kind: 'reset-second-factor', nonce: 9, user: 'admin' }, 'second-factor-reset')).error, undefined);
  const noSuch = await ask({ kind: 'reset-second-factor', nonce: 10, user: 'nobody' }, 'second-factor-reset');
  assert.match(noSuch.error ?? '', /no user 'nobody'/);
  const { token } = await ask({ kind: 'local-client-token', nonce: 8 }, 'local-client-token');
  assert.match(token ?? '', /^bjt1\./);

  site.send({ kind: 'stop' } satisfies ToSite);
  const [code] = (await once(site, 'exit')) as [number];
  assert.equal(code, 0);
});

test('a stopped site: the password is reset on its database, and works at the next start', async () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'offline-reset.ts'), ...args], { encoding: 'utf8' });
  const done = run('--database', config.paths.database, '--kind', 'user', '--name', 'admin');
  assert.equal(done.status, 0, done.stderr);
  const { password } = JSON.parse(done.stdout) as { password: string };
  const factor = run('--database', config.paths.database, '--name', 'admin', '--second-factor');
  assert.deepEqual([factor.status, factor.stdout], [0, '{}\n'], factor.stderr);
  const missing = run('--database', '/nowhere/site.db', '--name', 'admin');
  assert.deepEqual([missing.status, missing.stderr], [1, 'There is no database /nowhere/site.db.\n']);
  assert.match(run('--database', 'relative.db', '--name', 'admin').stderr, /^--database: must be an absolute path/);
  assert.match(run('--database', config.paths.database, '--name', 'nobody').stderr, /no user 'nobody'/);

  site = startSite({ BASCULE_SITE: JSON.stringify(start) });
  const ready = await answerOf(site, 'ready');
  assert.equal(ready.firstPassword, undefined);
  assert.equal(await logIn(password), 200);
});

test('without its parent the program ends', async () => {
  site.disconnect();
  await once(site, 'exit');
});

test('a wrong start is one sentence that names the field', async () => {
  const child = startSite({ BASCULE_SITE: JSON.stringify({ ...start, generation: 0 }) });
  const exit = once(child, 'exit');
  const { message } = await answerOf(child, 'failed');
  assert.match(message, /^BASCULE_SITE\.generation: /);
  assert.deepEqual((await exit)[0], 1);
});
