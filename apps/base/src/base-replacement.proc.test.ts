import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { homePaths } from '@bascule/core/home.ts';
import { askAppliance } from '@bascule/testkit/appliance-control.ts';
import { openWebCertificate } from './certificates/certificates.ts';

const POLL_EVERY_MS = 5;
const ANSWER_LIMIT_MS = 20_000;
/** What the issue wants of a base that is replaced. */
const LONGEST_ANSWER_MS = 3_000;

/** The port, and bases on it as boot starts them: this process is in boot's place. */
class Bench implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-replacement-'));
  readonly paths = homePaths(this.home);
  readonly socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  readonly #bases: ChildProcess[] = [];

  get port(): number {
    return this.socket.address().port;
  }

  /** Starts a base and waits for its first message, which is to be `kind`. */
  async start(kind: 'ready' | 'prepared', ...extra: string[]): Promise<ChildProcess> {
    const args = ['--home', this.home, '--listen', '127.0.0.1', '--port', String(this.port), '--name', 'localhost', ...extra];
    const base = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
      stdio: ['ignore', 'ignore', 'ignore', this.socket.fd(), 'ipc'],
      cwd: '/',
    });
    this.#bases.push(base);
    const [message] = (await once(base, 'message')) as [{ kind: string }];
    assert.equal(message.kind, kind);
    return base;
  }

  async ready(): Promise<void> {
    const answer = await askAppliance(this.home, { kind: 'wait-ready', timeoutMs: 60_000 });
    assert.equal(answer.error, undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const base of this.#bases) {
      if (base.exitCode !== null || base.signalCode !== null) continue;
      const gone = once(base, 'exit');
      base.kill('SIGKILL');
      await gone;
    }
    this.socket.close();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 40, retryDelay: 50 });
  }
}

/** Asks for `path` again and again, every POLL_EVERY_MS at most, until told to end; on one connection as long as it is kept, or on a new one each time. */
class Poller {
  readonly failures: string[] = [];
  longestMs = 0;
  answers = 0;
  connections = 0;
  readonly #agent: https.Agent;
  readonly #ended: Promise<void>;
  #isOver = false;

  constructor(port: number, path: string, keepAlive: boolean) {
    this.#agent = new https.Agent({ keepAlive, maxSockets: 1 });
    this.#ended = this.#run(port, path);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
    this.#agent.destroy();
  }

  async #run(port: number, path: string): Promise<void> {
    while (!this.#isOver) {
      const beganAtMs = performance.now();
      await this.#ask(port, path).catch((error: Error) => this.failures.push(`${path}: ${error.message}`));
      this.longestMs = Math.max(this.longestMs, performance.now() - beganAtMs);
      await wait(POLL_EVERY_MS);
    }
  }

  async #ask(port: number, path: string): Promise<void> {
    const request = https.get({
      host: '127.0.0.1',
      port,
      path,
      agent: this.#agent,
      rejectUnauthorized: false,
      timeout: ANSWER_LIMIT_MS,
    });
    request.once('socket', () => (this.connections += request.reusedSocket ? 0 : 1));
    const [answer] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
    for await (const piece of answer) void piece;
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
    this.answers++;
  }
}

describe('a base that is replaced', { concurrency: false }, () => {
  it('refuses and fails no request, with or without kept connections, of the box and of the site', async () => {
    await using bench = new Bench();
    const old = await bench.start('ready');
    await bench.ready();
    const pollers = ['/appliance/api/state', '/login'].flatMap((path) =>
      [true, false].map((keepAlive) => new Poller(bench.port, path, keepAlive)),
    );
    while (pollers.some(({ answers }) => answers < 20)) await wait(POLL_EVERY_MS);
    const candidate = await bench.start('prepared', '--prepare');
    const gone = once(old, 'exit');
    old.send({ kind: 'candidate-prepared' });
    old.send({ kind: 'stop' });
    assert.deepEqual(await gone, [0, null]);
    const ready = once(candidate, 'message');
    candidate.send({ kind: 'activate' });
    assert.deepEqual((await ready)[0], { kind: 'ready' });
    await bench.ready();
    const until = pollers.map(({ answers }) => answers + 20);
    while (pollers.some(({ answers, failures }, index) => answers < (until[index] ?? 0) && failures.length === 0))
      await wait(POLL_EVERY_MS);
    for (const poller of pollers) await poller.end();
    assert.deepEqual(
      pollers.flatMap(({ failures }) => failures),
      [],
    );
    const longestMs = Math.max(...pollers.map((poller) => poller.longestMs));
    assert.ok(longestMs < LONGEST_ANSWER_MS, `the longest answer took ${Math.round(longestMs)} ms`);
    // Kept connections were told that they end, and no more were opened than that.
    assert.deepEqual(
      pollers.filter((_, index) => index % 2 === 0).map(({ connections }) => connections),
      [2, 2],
    );
  });

  it('is not touched by a candidate that only prepares', async () => {
    await using bench = new Bench();
    await bench.start('ready');
    await bench.ready();
    const { mtimeMs } = statSync(bench.paths.boxDatabase);
    // A certificate that is due: whoever serves makes it anew, a candidate does not.
    const pem = join(bench.paths.boxTls, 'web.pem');
    const elsewhere = join(bench.home, 'due');
    await openWebCertificate(elsewhere, ['other.example']);
    cpSync(join(elsewhere, 'web.pem'), pem);
    const before = readFileSync(pem);
    const candidate = await bench.start('prepared', '--prepare');
    assert.equal(statSync(bench.paths.boxDatabase).mtimeMs, mtimeMs);
    assert.deepEqual(readFileSync(pem), before);
    const { status } = await askAppliance(bench.home, { kind: 'status' });
    assert.equal(status?.ready, true);
    const gone = once(candidate, 'exit');
    candidate.send({ kind: 'stop' });
    assert.deepEqual(await gone, [0, null]);
    assert.equal(existsSync(bench.paths.controlSocket), true);
    const after = await askAppliance(bench.home, { kind: 'status' });
    assert.equal(after.status?.ready, true);
  });
});
