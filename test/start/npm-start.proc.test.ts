/** `npm start` and `npm run appliance` as a new user meets them. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const checkout = resolve(import.meta.dirname, '..', '..');
const READY_LINE = 'Open the site, then Console, then Jump.';
const READY_LIMIT_MS = 120_000;

/** `npm start` with its output so far. */
class Start {
  readonly child: ChildProcess;
  output = '';
  readonly #waiting: { text: string; resolve: () => void }[] = [];

  constructor(args: string[]) {
    this.child = spawn('npm', ['start', '--', ...args], { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        for (const wait of this.#waiting) if (this.output.includes(wait.text)) wait.resolve();
      });
    }
  }

  /** Waits until `text` was printed; fails when the command ends before. */
  async printed(text: string): Promise<void> {
    if (this.output.includes(text)) return;
    const { promise, resolve: seen } = Promise.withResolvers<void>();
    this.#waiting.push({ text, resolve: seen });
    const ended = once(this.child, 'exit').then(([code]) =>
      assert.ok(this.output.includes(text), `ended with ${code} before '${text}':\n${this.output}`),
    );
    await Promise.race([
      promise,
      ended,
      delay(READY_LIMIT_MS, undefined, { ref: false }).then(() => assert.fail(`not in time:\n${this.output}`)),
    ]);
  }

  /** Ctrl-C: the signal goes to the whole foreground group. */
  async interrupt(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    process.kill(-this.child.pid!, 'SIGINT');
    await gone;
  }
}

function run(command: string, args: string[]) {
  return spawnSync(command, args, { cwd: checkout, encoding: 'utf8' });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const bootOf = (home: string) => JSON.parse(readFileSync(join(home, 'run', 'boot.json'), 'utf8')) as { pid: number };

describe('npm start', () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-start-'));
  let port: number;
  let start: Start;

  before(async () => {
    chmodSync(home, 0o755);
    port = await freePort();
    start = new Start(['--home', home, '--port', String(port)]);
    await start.printed(READY_LINE);
  });
  after(async () => {
    await start.interrupt();
    rmSync(home, { recursive: true, force: true });
  });

  test('prints the addresses and a one-time password for each interface, and keeps them out of the log', () => {
    const passwords = [...start.output.matchAll(/one-time password (\S+)/g)].map((match) => match[1]!);
    assert.match(start.output, new RegExp(`https://localhost:${port}/login`));
    assert.match(start.output, new RegExp(`https://localhost:${port}/appliance`));
    assert.equal(passwords.length, 2);
    assert.notEqual(passwords[0], passwords[1]);
    const log = readFileSync(join(home, 'log', 'appliance.log'), 'utf8');
    for (const password of passwords) assert.ok(!log.includes(password));
  });

  test('a second start on the same home says who runs, and changes nothing', () => {
    const second = run('npm', ['start', '--', '--home', home, '--port', String(port)]);
    assert.equal(second.status, 3);
    assert.match(second.stderr, new RegExp(`already running, PID ${bootOf(home).pid}, https://localhost:${port}`));
  });

  test('status lists every program and its user', () => {
    const status = run('npm', ['run', '--silent', 'appliance', '--', 'status', '--home', home]);
    assert.equal(status.status, 0, status.stderr);
    for (const name of ['boot', 'base', 'site', 'relay'])
      assert.match(status.stdout, new RegExp(`^  ${name} +\\d+ +\\S+ +ready`, 'm'));
    if (process.getuid?.() === 0) {
      assert.match(status.stdout, /^ {2}helper +\d+ +root/m);
      assert.match(status.stdout, /^ {2}site +\d+ +bascule/m);
    }
  });

  test('reset-password works while it runs', () => {
    const reset = run('npm', ['run', '--silent', 'appliance', '--', 'reset-password', 'login', '--home', home]);
    assert.match(reset.stdout, /User admin, one-time password \S+/, reset.stderr);
    for (const which of ['login', 'appliance']) {
      const factor = run('npm', ['run', '--silent', 'appliance', '--', 'reset-second-factor', which, '--home', home]);
      assert.match(factor.stdout, /User admin has no second factor/, factor.stderr);
    }
  });

  test('a boot that is killed is started again', async () => {
    const { pid } = bootOf(home);
    process.kill(pid, 'SIGKILL');
    await start.printed('boot was killed; starting it again');
    for (let status = 1; status !== 0;) {
      status = run('npm', ['run', '--silent', 'appliance', '--', 'status', '--home', home]).status ?? 1;
    }
    assert.notEqual(bootOf(home).pid, pid);
  });

  test('Ctrl-C stops everything, the local client included; reset-password and log still work', async () => {
    const client = (JSON.parse(readFileSync(join(home, 'client', 'process.json'), 'utf8')) as { pid: number }).pid;
    const { pid } = bootOf(home);
    await start.interrupt();
    // npm itself dies of the signal; the script below it has ended in order.
    assert.match(start.output, /^Stopped\.$/m);
    assert.ok(!existsSync(`/proc/${pid}`), 'boot is gone');
    assert.ok(!existsSync(`/proc/${client}`), 'the client is gone');
    const status = run('npm', ['run', '--silent', 'appliance', '--', 'status', '--home', home]);
    assert.match(status.stdout, /Stopped/);
    for (const which of ['login', 'appliance']) {
      const reset = run('npm', ['run', '--silent', 'appliance', '--', 'reset-password', which, '--home', home]);
      assert.match(reset.stdout, /one-time password \S+/, reset.stderr);
      const factor = run('npm', ['run', '--silent', 'appliance', '--', 'reset-second-factor', which, '--home', home]);
      assert.match(factor.stdout, /User admin has no second factor/, factor.stderr);
    }
    assert.match(run('npm', ['run', '--silent', 'appliance', '--', 'log', '--home', home]).stdout, /boot\.stopped/);
  });
});

describe('npm start refuses by one sentence, and changes nothing', () => {
  let taken: Server;
  before(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
  });
  after(() => taken.close());

  const cases: [string, () => string[], RegExp][] = [
    ['a taken port', () => ['--port', String((taken.address() as AddressInfo).port)], /Port \d+ on 127\.0\.0\.1 is taken/],
    ['a foreign address', () => ['--listen', '192.0.2.1'], /192\.0\.2\.1 is not an address of this machine/],
    ['an unwritable home', () => ['--home', '/proc/bascule', '--port', '18499'], /cannot be written/],
  ];
  for (const [name, args, sentence] of cases) {
    test(name, () => {
      const folder = mkdtempSync(join(tmpdir(), 'bascule-refused-'));
      // As root the service user must be able to enter it.
      chmodSync(folder, 0o755);
      const home = join(folder, 'home');
      const refused = run('npm', ['start', '--', '--home', home, ...args()]);
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, sentence);
      assert.ok(!existsSync(home), 'nothing was made');
      rmSync(folder, { recursive: true });
    });
  }
});
