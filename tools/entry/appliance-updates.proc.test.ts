import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startTicksOf } from './control.mjs';

const home = mkdtempSync(join(tmpdir(), 'bascule-command-'));
// Root's commands want a home that the service user can enter.
chmodSync(home, 0o755);
const step = (name: string, state: string) => ({
  step: name,
  state,
  startedAtMs: state === 'waiting' ? null : 1000,
  endedAtMs: state === 'done' ? 1400 : null,
  cancellable: name === 'download',
  progress: null,
});
const installation = (outcome: string, more: object = {}) => ({
  id: 'ins_1',
  kind: 'site',
  operation: 'install',
  fromVersion: '0.1.0',
  toVersion: '0.2.0',
  startedBy: 'command line',
  outcome,
  steps: [step('download', 'done'), step('migrate', outcome === 'running' ? 'running' : 'done')],
  cause: null,
  preflight: [],
  verification: [{ code: 'test-session', state: 'passed', text: 'A test session ran.', params: {} }],
  unavailableMs: 180,
  ...more,
});

/** What the appliance of the test answers to each request, one after another; the last stays. `undefined`: closes without an answer. */
let answers: unknown[] = [];
let requests: Record<string, unknown>[] = [];
const server: Server = createServer((socket) => {
  socket
    .on('error', () => undefined)
    .once('data', (chunk) => {
      requests.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      socket.end(answer === undefined ? '' : `${JSON.stringify(answer)}\n`);
    });
});

function start(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'appliance.mjs'), ...args, '--home', home]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, text }));
  return { child, ended };
}
const run = (...args: string[]) => start(...args).ended;

function boot(isRunning: boolean): void {
  const state = { pid: process.pid, startTicks: isRunning ? startTicksOf(process.pid) : '0', address: 'x' };
  writeFileSync(join(home, 'run', 'boot.json'), JSON.stringify(state));
}

describe('updates on the command line', { timeout: 30_000 }, () => {
  before(async () => {
    mkdirSync(join(home, 'run', 'control'), { recursive: true });
    server.listen(join(home, 'run', 'control', 'control.sock'));
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    rmSync(home, { recursive: true });
  });
  beforeEach(() => {
    requests = [];
    boot(true);
  });

  it('follow an installation over a base that is away, and end with 0 when it is installed', async () => {
    const running = { ok: true, installationState: installation('running') };
    answers = [
      { ok: true, installation: 'ins_1' },
      running,
      undefined,
      { ok: true, installationState: installation('installed') },
    ];
    const { code, text } = await run('install', 'site', '--accept-eula', 'Eve Example', '--overrule', 'clock,memory');
    assert.equal(code, 0, text);
    assert.deepEqual(requests[0], {
      kind: 'updates-install',
      target: 'site',
      overrule: ['clock', 'memory'],
      acceptEula: 'Eve Example',
    });
    assert.match(
      text,
      /download +ok +0\.4 s\n[^]*base is being replaced[^]*migrate[^]*Installed: site 0\.2\.0 after 0\.1\.0\. Requests were held for 0\.2 s/,
    );
  });

  it('end with 1 and say why when it was rolled back', async () => {
    const cause = { code: 'X', message: 'The candidate did not answer.', advice: 'Send the log to support.', mayRetry: true };
    answers = [
      { ok: true, installation: 'ins_1' },
      { ok: true, installationState: installation('rolled-back', { cause }) },
    ];
    const { code, text } = await run('install', 'site');
    assert.equal(code, 1);
    assert.match(
      text,
      /0\.1\.0 runs again, nothing was lost\. The candidate did not answer\. Send the log to support\.\n.*log ins_1/,
    );
  });

  it('show the verification list when it is complete', async () => {
    const verification = [{ code: 'test-session', state: 'running', text: '', params: {} }];
    answers = [
      { ok: true, installation: 'ins_1' },
      { ok: true, installationState: installation('installed', { verification }) },
      { ok: true, installationState: installation('installed') },
    ];
    const { code, text } = await run('install', 'site');
    assert.equal(code, 0, text);
    assert.match(text, /Installed: site 0\.2\.0.*\n {2}passed +A test session ran\.\n$/);
    assert.equal(requests.length, 3);
  });

  it('follow for minutes without a warning of Node', async () => {
    const running = { ok: true, installationState: installation('running') };
    answers = [
      { ok: true, installation: 'ins_1' },
      ...Array(12).fill(running),
      { ok: true, installationState: installation('installed') },
    ];
    const { text } = await run('install', 'site');
    assert.doesNotMatch(text, /Warning/);
  });

  it('give their own usage, whatever the command', async () => {
    for (const command of ['log', 'install']) {
      const { code, text } = await run(command, '--help');
      assert.equal(code, 0);
      assert.match(text, /^npm run appliance -- status .*/);
    }
  });

  it('name base and site in the status, since they are updated apart', async () => {
    mkdirSync(join(home, 'box'), { recursive: true });
    answers = [
      { ok: true, status: { address: 'https://x:1', version: '0.3.0', ready: true, processes: [] } },
      {
        ok: true,
        updates: {
          installed: [
            { kind: 'base', version: '0.3.0' },
            { kind: 'site', version: '0.2.0' },
          ],
        },
      },
    ];
    assert.match((await run('status')).text, /^Running at https:\/\/x:1, base 0\.3\.0 and site 0\.2\.0, state in /);
  });

  it('show what the appliance refuses', async () => {
    answers = [{ ok: false, error: 'The licence agreement must be accepted.' }];
    const { code, text } = await run('install', 'base');
    assert.equal(code, 1);
    assert.match(text, /^bascule: The licence agreement must be accepted\. Read it under .* --accept-eula "Your Name"\n$/);
  });

  it('let nobody steer the terminal by what an update server or the site said', async () => {
    answers = [{ ok: false, error: 'refused: \u001b]0;owned\u0007\u009b2J\r\nGo on.' }];
    const { text } = await run('check');
    assert.equal(text, 'bascule: refused: \uFFFD]0;owned\uFFFD\uFFFD2J\uFFFD\nGo on.\n');
    answers = [{ ok: true, installationState: installation('installed'), installationLog: 'a\u001b[2Jb' }];
    assert.equal((await run('log', 'ins_1')).text, 'a\uFFFD[2Jb\n');
  });

  it('take the system clock for right when they are told to', async () => {
    answers = [{ ok: true }];
    const { code, text } = await run('accept-time');
    assert.equal(code, 0, text);
    assert.deepEqual(requests, [{ kind: 'accept-time' }]);
    assert.match(text, /goes by the clock of this machine: 20/);
  });

  it('leave the installation running on Ctrl-C, and say so', async () => {
    answers = [
      { ok: true, installation: 'ins_1' },
      { ok: true, installationState: installation('running') },
    ];
    const { child, ended } = start('install', 'site');
    while (requests.length < 2) await Promise.race([once(server, 'connection'), ended.then(() => assert.fail('it ended'))]);
    child.kill('SIGINT');
    const { code, text } = await ended;
    assert.equal(code, 130);
    assert.match(text, /The installation goes on by itself/);
  });

  it('give only the key on standard output, and name a wrong use', async () => {
    answers = [{ ok: true, downloadKey: '-----BEGIN KEY-----\n' }];
    assert.match((await run('download-key')).text, /^-----BEGIN KEY-----\nGood for 24 minutes/m);
    assert.equal((await run('rollback', 'licence')).code, 64);
    assert.match((await run('import', '/nowhere.bascule-update')).text, /There is no file/);
  });

  it('say what is installed while the appliance is stopped, and that base must run for the rest', async () => {
    boot(false);
    const current = join(home, 'software', 'site', 'current');
    mkdirSync(current, { recursive: true });
    writeFileSync(join(current, 'bascule-package.json'), JSON.stringify({ version: '0.1.0', revision: 'abc1234' }));
    const { code, text } = await run('updates');
    assert.equal(code, 1);
    assert.match(text, /site +0\.1\.0 \(abc1234\)\n.*base must run: npm start/);
    assert.match((await run('install', 'site')).text, /Nothing runs in .*npm start/);
    assert.deepEqual(requests, []);
  });
});
