/** A whole appliance for a test: boot, base, site and relay as real processes, in a home of its own, without npm. */
import { spawn, type ChildProcess } from 'node:child_process';
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
}

/** Node, and the folders that hold apps/ and packages/ of base and of the site. */
interface Software {
  node: string;
  base: string;
  site: string;
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

  constructor(options: LaunchOptions, software: Software, directory: string) {
    this.#options = options;
    this.#software = software;
    this.directory = directory;
    this.home = join(directory, 'home');
    this.paths = homePaths(this.home);
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** Starts boot, at the second time on the same port as before, and waits until base and site are ready. */
  async start(): Promise<void> {
    if (this.port === 0) this.port = await freeFixedPort();
    this.startBoot();
    await waitUntil('boot has written boot.json', () => this.#readPort() ?? this.#throwIfBootEnded());
    const { firstPasswords } = await this.ready();
    if (firstPasswords?.login !== undefined) this.passwords.login = firstPasswords.login;
    if (firstPasswords?.appliance !== undefined) this.passwords.appliance = firstPasswords.appliance;
  }

  /** Starts boot and waits for nothing: what systemd does when it was killed. */
  startBoot(): void {
    const log = openSync(this.logFile, 'a');
    const main = (app: string) => join(this.#software.base, 'apps', app, 'src', 'main.ts');
    const args = [
      main('boot'),
      '--home',
      this.home,
      '--listen',
      '127.0.0.1',
      '--port',
      String(this.port),
      '--name',
      'localhost',
      '--base',
      main('base'),
    ];
    if (process.getuid?.() === 0) args.push('--user', SERVICE_USER);
    this.#boot = spawn(this.#software.node, args, {
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, ...this.#options.environment },
    });
    closeSync(log);
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
    await waitUntil(`${program} is there to be killed`, async () => killIfAlive(await this.pid(program)));
    if (program !== 'boot') return;
    const boot = must(this.#boot, 'boot');
    if (boot.exitCode === null && boot.signalCode === null) await once(boot, 'exit');
    this.startBoot();
  }

  /** SIGKILLs every program of the appliance at once, and starts boot again. */
  async killAll(): Promise<void> {
    const pids = (await waitUntil('base names its programs', () => this.processes())).map(({ pid }) => pid);
    for (const pid of new Set([...pids, await this.pid('boot')])) killIfAlive(pid);
    const boot = must(this.#boot, 'boot');
    if (boot.exitCode === null && boot.signalCode === null) await once(boot, 'exit');
    this.startBoot();
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
      url: options.url ?? `https://127.0.0.1:${this.port}`,
      node: this.#software.node,
      main: join(this.#software.site, 'apps', 'jump-client', 'src', 'main.ts'),
    });
    this.#clients.push(client);
    await client.enrolled().catch((cause: unknown) => this.fail(cause));
    return client;
  }

  /** Stops clients and appliance in order. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
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
function killIfAlive(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * A free port below those that the kernel gives to outgoing connections (ip_local_port_range): while the appliance is down, a client that tries
 * again and again could otherwise get its very port as its own, and keep boot from binding it.
 */
async function freeFixedPort(): Promise<number> {
  for (;;) {
    const port = FIXED_PORTS.from + Math.floor(Math.random() * (FIXED_PORTS.below - FIXED_PORTS.from));
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
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
  const appliance = new LaunchedAppliance(options, await softwareFor(directory), directory);
  try {
    await appliance.start();
  } catch (error) {
    await appliance.stop();
    throw error;
  }
  return appliance;
}

/** The checkout itself, or a staged copy when another user could not read it (a checkout below /root). */
async function softwareFor(directory: string): Promise<Software> {
  if (process.getuid?.() !== 0 || isOpen(CHECKOUT)) return { node: process.execPath, base: CHECKOUT, site: CHECKOUT };
  const staging = join(CHECKOUT, 'tools', 'entry', 'stage.mjs');
  const { stage } = (await import(staging)) as {
    stage(home: string, restage: boolean): { runtime: string; base: string; site: string };
  };
  const { runtime, base, site } = stage(join(directory, 'home'), true);
  return { node: runtime, base, site };
}

/** Whether everybody may enter the folder. */
function isOpen(folder: string): boolean {
  return (statSync(folder).mode & 0o001) !== 0 && (folder === dirname(folder) || isOpen(dirname(folder)));
}
