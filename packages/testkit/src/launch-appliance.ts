/** A whole appliance for a test: boot, base, site and relay as real processes, in a home of its own, without npm. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { homePaths } from '@bascule/core/home.ts';
import { must } from '@bascule/core/must.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { askAppliance } from './appliance-control.ts';
import { launchJumpClient, type JumpClientOptions, type LaunchedJumpClient } from './launch-jump-client.ts';
import { waitUntil } from './wait-until.ts';

export const CHECKOUT = join(import.meta.dirname, '..', '..', '..');
/** Whom base and site run as when the tests run as root; every Linux has it. */
const SERVICE_USER = 'nobody';
const isRoot = process.getuid?.() === 0;
const FIXED_PORTS = { from: 20_000, below: 32_000 };
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
const LOG_TAIL_LINES = 80;

export type ProgramName = ProcessState['name'];

export interface LaunchOptions {
  /** Extra environment of all programs. */
  environment?: Record<string, string>;
  /** A directory that exists, to hold the home; by default one that is removed at the end. */
  directory?: string;
  /** Stages the checkout and runs boot on the staged versions, as `npm start` does, so that others can be installed. */
  staged?: boolean;
  /** The address that it listens on and is reached at; 127.0.0.1 if absent. */
  address?: string;
  /** A free one if absent. */
  port?: number;
  /** The name by which people and clients reach it; `localhost` if absent. */
  name?: string;
  /** What starts its programs on a machine of its own (`ip netns exec NAME`). */
  onMachine?: readonly string[];
  /** Jump Clients run from the checkout, as on machines of their own: what happens to the disk of the appliance does not happen to them. */
  clientsApart?: boolean;
}

/** What boot and Jump Clients are started with. */
interface Software {
  /** boot's Node, its main file, and what it is told about base. */
  boot: { node: string; main: string; baseArgs: string[] };
  jumpClient: { node: string; main: string };
}

export class LaunchedAppliance implements AsyncDisposable {
  /** Everything of this appliance; readable by the user that its programs run as. */
  readonly directory: string;
  readonly home: string;
  readonly paths: ReturnType<typeof homePaths>;
  /** One-time passwords of `admin`, of the first start. */
  passwords = { appliance: '', login: '' };
  port = 0;
  #options: LaunchOptions;
  #software: Software;
  #boot: ChildProcess | undefined;
  #clients: LaunchedJumpClient[] = [];
  #failed = false;
  #keepsBoot = false;
  #extraEnvironment: Record<string, string> = {};
  #stopping = false;
  /** Who got the last signal: a program that hangs cannot be asked. */
  #signalled: ReadonlySet<number> = new Set();

  constructor(options: LaunchOptions, software: Software, directory: string) {
    this.#options = options;
    this.#software = software;
    this.directory = directory;
    this.home = join(directory, 'home');
    this.paths = homePaths(this.home);
  }

  get url(): string {
    const { address } = this.#options;
    return `https://${address ?? 'localhost'}:${this.port}`;
  }

  get address(): string {
    return this.#options.address ?? '127.0.0.1';
  }

  /** Starts boot, at the second time on the same port as before, and waits until base and site are ready. */
  async start(): Promise<void> {
    if (this.port === 0)
      this.port = this.#options.port ?? (await freeFixedPort(this.#options.onMachine === undefined ? this.address : undefined));
    this.startBoot();
    await waitUntil('boot has written boot.json', () => this.#readPort() ?? this.#throwIfBootEnded());
    const { firstPasswords } = await this.ready();
    if (firstPasswords?.login !== undefined) this.passwords.login = firstPasswords.login;
    if (firstPasswords?.appliance !== undefined) this.passwords.appliance = firstPasswords.appliance;
  }

  /** Starts boot and waits for nothing: what systemd does when it was killed. */
  startBoot(): void {
    this.startBootWith(this.#extraEnvironment);
  }

  /** As `startBoot`, with more environment; it is kept for later starts. */
  startBootWith(environment: Record<string, string>): void {
    this.#extraEnvironment = environment;
    const log = openSync(this.logFile, 'a');
    const [command = '', ...args] = [...(this.#options.onMachine ?? []), this.#software.boot.node, ...this.bootArgs];
    const boot = spawn(command, args, {
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, ...this.#options.environment, ...environment },
    });
    closeSync(log);
    this.#boot = boot;
    boot.once('exit', (_code, signal) => {
      if (this.#keepsBoot && !this.#stopping && signal !== null && boot === this.#boot) this.startBoot();
    });
  }

  /** On a machine of its own every address, so that those that come later are served too. */
  get #listen(): string {
    return this.#options.onMachine === undefined ? this.address : '0.0.0.0';
  }

  /** boot's command line, its program file first. */
  get bootArgs(): string[] {
    const { main, baseArgs } = this.#software.boot;
    const { name = 'localhost' } = this.#options;
    const place = ['--home', this.home, '--listen', this.#listen, '--port', String(this.port), '--name', name];
    return [main, ...place, ...baseArgs, ...(isRoot ? ['--user', SERVICE_USER] : [])];
  }

  /** From now on boot is started again whenever a signal ends it, as systemd would; with `false` it is not any more. */
  keepBootRunning(keep = true): void {
    this.#keepsBoot = keep;
  }

  /** Stops boot in order, and starts it with `environment` beside what it was launched with: for BASCULE_FAULT. Waits for nothing then. */
  async restartBoot(environment: Record<string, string> = {}): Promise<void> {
    await this.#stopBoot();
    this.startBootWith(environment);
  }

  get logFile(): string {
    return join(this.directory, 'output.log');
  }

  /** Waits until base and site are ready. */
  async ready() {
    const answer = await waitUntil(
      'the appliance is ready',
      async () => {
        this.#throwIfBootEnded();
        const said = await askAppliance(this.home, { kind: 'wait-ready', timeoutMs: READY_LIMIT_MS });
        return said.ok ? said : undefined;
      },
      READY_LIMIT_MS,
    ).catch((error: unknown) => this.fail(error));
    return answer;
  }

  /** The running programs; rejects while base is away. */
  async processes(): Promise<ProcessState[]> {
    const { status } = await askAppliance(this.home, { kind: 'status' });
    return must(status, 'the status').processes;
  }

  async pid(program: ProgramName): Promise<number> {
    if (program === 'boot') return must(this.#boot?.pid, 'the PID of boot');
    return waitUntil(
      `${program} runs`,
      async () => (await this.processes()).find(({ name, state }) => name === program && state === 'ready')?.pid,
    );
  }

  /** SIGKILLs the program; who starts it again is what is tested. boot is started again here, as systemd would. */
  async kill(program: ProgramName): Promise<void> {
    const boot = must(this.#boot, 'boot');
    await waitUntil(`${program} is there to be killed`, async () => signalIfAlive(await this.pid(program)));
    if (program === 'boot') await this.#startKilledBoot(boot);
  }

  /** SIGKILLs every program of the appliance at once, and starts boot again. */
  async killAll(): Promise<void> {
    const boot = must(this.#boot, 'boot');
    await this.signalAll('SIGKILL');
    await this.#startKilledBoot(boot);
  }

  /** SIGKILLs every program at once, as a power cut does, and leaves it so: `startBoot` is the power that comes back. */
  async die(): Promise<void> {
    await this.signalAll('SIGKILL');
    const boot = must(this.#boot, 'boot');
    if (boot.exitCode === null && boot.signalCode === null) await once(boot, 'exit');
  }

  /** Sends every program `signal`: SIGSTOP is a machine that hangs, SIGCONT afterwards one that goes on. */
  async signalAll(signal: NodeJS.Signals): Promise<void> {
    if (signal !== 'SIGCONT') {
      const pids = (await waitUntil('base names its programs', () => this.processes())).map(({ pid }) => pid);
      // One that is not running has the number 0, which would be the test itself.
      this.#signalled = new Set([...pids, await this.pid('boot')].filter((pid) => pid > 0));
    }
    for (const pid of this.#signalled) signalIfAlive(pid, signal);
  }

  async #startKilledBoot(boot: ChildProcess): Promise<void> {
    // Whoever keeps boot running has started it by then.
    if (boot.exitCode === null && boot.signalCode === null) await once(boot, 'exit');
    if (boot === this.#boot) this.startBoot();
  }

  /** Starts a real Jump Client of this appliance, enrolled and approved; it is stopped with the appliance. */
  async startJumpClient(options: JumpClientOptions = {}): Promise<LaunchedJumpClient> {
    const name = options.name ?? `client-${this.#clients.length + 1}`;
    const { token, error } = await askAppliance(this.home, { kind: 'local-client-token' });
    if (token === undefined) throw new Error(`no token for a Jump Client: ${error}`);
    const client = launchJumpClient({
      ...options,
      name,
      token,
      home: join(this.directory, `jump-client-${this.#clients.length + 1}`),
      url: options.url ?? `https://${this.address}:${this.port}`,
      ...this.#software.jumpClient,
    });
    this.#clients.push(client);
    await client.enrolled().catch((cause: unknown) => this.fail(cause));
    return client;
  }

  /** Stops clients and appliance in order. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients.map((client) => client.stop()));
    await this.#stopBoot();
  }

  async #stopBoot(): Promise<void> {
    const boot = this.#boot;
    if (boot === undefined || boot.exitCode !== null || boot.signalCode !== null) return;
    const exited = once(boot, 'exit');
    boot.kill('SIGTERM');
    const timer = setTimeout(() => boot.kill('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
  }

  /** Adds what the programs said to `cause` and throws it. */
  fail(cause: unknown): never {
    this.#failed = true;
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${this.logTail()}`, { cause });
  }

  /** The last lines of what the programs said, for a failing test. */
  logTail(): string {
    const files = [this.logFile, join(this.paths.logs, 'appliance.log'), ...this.#clients.map(({ logFile }) => logFile)];
    return files
      .filter((file) => existsSync(file))
      .map((file) => `--- ${file}\n${readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')}`)
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#failed || process.env['BASCULE_TEST_KEEP'] !== undefined) return;
    if (this.#options.directory === undefined)
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #readPort(): number | undefined {
    if (!existsSync(this.paths.bootState)) return undefined;
    const state = JSON.parse(readFileSync(this.paths.bootState, 'utf8')) as { pid: number; port: number };
    return state.pid === this.#boot?.pid ? state.port : undefined;
  }

  #throwIfBootEnded(): undefined {
    const { exitCode } = must(this.#boot, 'boot');
    if (exitCode !== null) throw new Error(`boot ended with code ${exitCode}\n${this.logTail()}`);
  }
}

/** False when it has ended by itself since base named it: what is told apart here is a moment, not a mistake. */
function signalIfAlive(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * A free port below those that the kernel gives to outgoing connections (ip_local_port_range): while the appliance is down, a client that tries
 * again and again could otherwise get its very port as its own, and keep boot from binding it.
 */
async function freeFixedPort(address = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = FIXED_PORTS.from + Math.floor(Math.random() * (FIXED_PORTS.below - FIXED_PORTS.from));
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, address, () => resolve(true));
    });
    if (!isFree) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

/** Starts an appliance and waits until it is ready. As root its programs run as `nobody`, which must be able to read them. */
export async function launchAppliance(options: LaunchOptions = {}): Promise<LaunchedAppliance> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'bascule-appliance-'));
  chmodSync(directory, 0o755);
  const appliance = new LaunchedAppliance(options, await softwareFor(directory, options), directory);
  try {
    await appliance.start();
  } catch (error) {
    await appliance.stop();
    throw error;
  }
  return appliance;
}

/** The checkout itself, or a staged copy when that is wanted or another user could not read the checkout (one below /root). */
async function softwareFor(directory: string, { staged = false, clientsApart = false }: LaunchOptions): Promise<Software> {
  const main = (app: string) => join(CHECKOUT, 'apps', app, 'src', 'main.ts');
  const apart = { node: process.execPath, main: main('jump-client') };
  if (!staged && (!isRoot || isOpen(CHECKOUT))) {
    return { boot: { node: process.execPath, main: main('boot'), baseArgs: ['--base', main('base')] }, jumpClient: apart };
  }
  const { stage } = (await import(join(CHECKOUT, 'tools', 'entry', 'stage.mjs'))) as {
    stage(home: string, restage: boolean): { boot: string; software: string };
  };
  const { boot, software } = stage(join(directory, 'home'), !staged);
  // What installations change is base's user's.
  if (isRoot)
    for (const kind of ['base', 'site', 'runtimes']) {
      const { status } = spawnSync('chown', ['-R', '--no-dereference', SERVICE_USER, join(software, kind)]);
      if (status !== 0) throw new Error(`${kind} cannot be given to ${SERVICE_USER}`);
    }
  const node = join(boot, 'bin', 'node');
  return {
    boot: { node, main: join(boot, 'apps', 'boot', 'src', 'main.ts'), baseArgs: ['--software', software] },
    jumpClient: clientsApart ? apart : { node, main: join(boot, 'apps', 'jump-client', 'src', 'main.ts') },
  };
}

/** Whether everybody may enter the folder. */
function isOpen(folder: string): boolean {
  return (statSync(folder).mode & 0o001) !== 0 && (folder === dirname(folder) || isOpen(dirname(folder)));
}
