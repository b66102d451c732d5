import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync, mkdirSync, readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ControlAnswer, ControlRequest } from '@bascule/protocol/appliance-control.ts';
import { homePaths } from '@bascule/core/home.ts';

/** base as boot starts it, with this process in boot's place. */
class BaseBench implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-base-'));
  readonly paths = homePaths(this.home);
  readonly socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  child!: ChildProcess;

  /** Starts base; gives its first message. */
  async start(): Promise<{ kind: string; message?: string }> {
    const args = [
      '--home',
      this.home,
      '--listen',
      '127.0.0.1',
      '--port',
      String(this.socket.address().port),
      '--name',
      'localhost',
    ];
    this.child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
      stdio: ['ignore', 'ignore', 'ignore', this.socket.fd(), 'ipc'],
      cwd: '/',
    });
    const [message] = (await once(this.child, 'message')) as [{ kind: string; message?: string }];
    return message;
  }

  async ask(request: ControlRequest): Promise<ControlAnswer> {
    const connection = net.connect(this.paths.controlSocket);
    connection.write(`${JSON.stringify(request)}\n`);
    let answer = '';
    for await (const piece of connection.setEncoding('utf8')) answer += String(piece);
    return JSON.parse(answer) as ControlAnswer;
  }

  async get(path: string): Promise<{ status: number; body: string }> {
    const outgoing = https.get({
      host: '127.0.0.1',
      port: this.socket.address().port,
      path,
      rejectUnauthorized: false,
      agent: false,
    });
    const [answer] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
    let body = '';
    for await (const piece of answer.setEncoding('utf8')) body += String(piece);
    return { status: answer.statusCode ?? 0, body };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await once(this.child, 'exit');
    }
    this.socket.close();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

describe('base', () => {
  it('is ready, tells its state to everyone and its status to those who are logged in', async () => {
    await using bench = new BaseBench();
    assert.deepEqual(await bench.start(), { kind: 'ready' });
    bench.child.send({
      kind: 'processes',
      separated: false,
      processes: [{ name: 'boot', pid: process.pid, user: 'me', startedAtMs: 1, restarts: 0, state: 'ready' }],
    });
    const state = JSON.parse((await bench.get('/appliance/api/state')).body) as { siteReady: boolean };
    assert.equal(typeof state.siteReady, 'boolean');
    assert.equal((await bench.get('/appliance/api/status/basics')).status, 401);
    const { status } = await bench.ask({ kind: 'status' });
    assert.deepEqual(
      status?.processes.map(({ name }) => name),
      ['boot', 'site', 'relay'],
    );
  });

  it('gives a new one-time password to a box administrator who is known, and to nobody else', async () => {
    await using bench = new BaseBench();
    await bench.start();
    const known = await bench.ask({ kind: 'reset-password', interface: 'appliance', user: 'admin' });
    assert.equal(known.ok, true);
    assert.ok((known.password ?? '').length >= 12);
    assert.equal((await bench.ask({ kind: 'reset-password', interface: 'appliance', user: 'eve' })).ok, false);
  });

  it('removes the second factor of a box administrator who is known, and of nobody else', async () => {
    await using bench = new BaseBench();
    await bench.start();
    assert.deepEqual(await bench.ask({ kind: 'reset-second-factor', interface: 'appliance', user: 'admin' }), { ok: true });
    assert.equal((await bench.ask({ kind: 'reset-second-factor', interface: 'appliance', user: 'eve' })).ok, false);
  });

  it('says in one sentence that its database is damaged, and changes nothing', async () => {
    await using bench = new BaseBench();
    mkdirSync(bench.paths.box, { recursive: true });
    writeFileSync(bench.paths.boxDatabase, 'x'.repeat(8192));
    const said = await bench.start();
    assert.equal(said.kind, 'failed');
    assert.match(said.message ?? '', /^[A-Z][^\n]+\.$/);
    await once(bench.child, 'exit');
    assert.equal(readFileSync(bench.paths.boxDatabase, 'latin1'), 'x'.repeat(8192));
  });

  it('exits at once when boot dies', async () => {
    await using bench = new BaseBench();
    await bench.start();
    bench.child.disconnect();
    assert.deepEqual(await once(bench.child, 'exit'), [1, null]);
  });

  it('asks boot to stop when told to, and stops in order when boot says so', async () => {
    await using bench = new BaseBench();
    await bench.start();
    const asked = once(bench.child, 'message');
    assert.deepEqual(await bench.ask({ kind: 'stop' }), { ok: true });
    assert.deepEqual((await asked)[0], { kind: 'stop' });
    const exit = once(bench.child, 'exit');
    bench.child.send({ kind: 'stop' });
    assert.deepEqual(await exit, [0, null]);
  });
});
