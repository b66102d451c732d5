import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BootState } from '../src/boot-state.ts';

export const isRoot = process.getuid?.() === 0;
/** Whom base runs as when the tests run as root; every Linux has it. */
export const SERVICE_USER = 'nobody';
const SERVICE_IDS = { uid: 65_534, gid: 65_534 };

const BOOT = join(import.meta.dirname, '..', 'src', 'main.ts');

/** A directory in which the service user can read Node and the fixture, also when the checkout is closed to it. */
export class BootBench implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-boot-'));
  readonly node = isRoot ? join(this.directory, 'node') : process.execPath;
  readonly base = join(this.directory, 'fixture-base.mjs');
  readonly #started: ChildProcess[] = [];

  constructor() {
    chmodSync(this.directory, 0o755);
    if (isRoot) copyFileSync(process.execPath, this.node);
    copyFileSync(join(import.meta.dirname, 'fixture-base.mjs'), this.base);
    chmodSync(this.base, 0o644);
  }

  home(name = 'home'): string {
    return join(this.directory, name);
  }

  /** The folder with versions of base, as the service user owns it. */
  get software(): string {
    return join(this.directory, 'software');
  }
  get trialFile(): string {
    return join(this.software, 'base', 'trial.json');
  }

  /** Makes the version `folder`, which behaves as `mode` says (see fixture-base.mjs), with a runtime of its own when told so. */
  addVersion(folder: string, mode = '', options: { runtime?: boolean } = {}): void {
    const version = join(this.software, 'base', folder);
    const source = join(version, 'apps', 'base', 'src');
    mkdirSync(source, { recursive: true });
    if (isRoot) chownSync(join(this.software, 'base'), SERVICE_IDS.uid, SERVICE_IDS.gid);
    copyFileSync(this.base, join(source, 'main.ts'));
    writeFileSync(join(version, 'package.json'), '{"type":"module"}');
    writeFileSync(join(source, 'mode'), mode);
    if (options.runtime !== true) return;
    mkdirSync(join(version, 'runtime', 'bin'), { recursive: true });
    const node = join(version, 'runtime', 'bin', 'node');
    if (isRoot) linkSync(this.node, node);
    else copyFileSync(this.node, node);
  }

  /** What a commit of base does first: the pointer names `folder`. */
  point(folder: string): void {
    const pointer = join(this.software, 'base', 'current');
    symlinkSync(folder, `${pointer}.next`);
    renameSync(`${pointer}.next`, pointer);
  }

  putOnTrial(trial: { folder: string; maxTries?: number; tries?: number; deadlineMs?: number }): void {
    writeFileSync(this.trialFile, JSON.stringify({ maxTries: 3, tries: 0, deadlineMs: Date.now() + 60_000, ...trial }));
  }

  /** The folder of a seed, whose program makes a version of base in the home (see fixture-seed.mjs). */
  addSeed(): string {
    const seed = join(this.directory, 'seed');
    const source = join(seed, 'program', 'apps', 'base', 'src');
    mkdirSync(source, { recursive: true });
    writeFileSync(join(seed, 'program', 'package.json'), '{"type":"module"}');
    copyFileSync(join(import.meta.dirname, 'fixture-seed.mjs'), join(source, 'seed-main.ts'));
    copyFileSync(this.base, join(seed, 'fixture-base.mjs'));
    return seed;
  }

  #source({ software, seed, home = this.home() }: { software?: boolean; seed?: boolean; home?: string }): string[] {
    if (seed === true) return ['--software', join(home, 'software'), '--seed', join(this.directory, 'seed')];
    return software === true ? ['--software', this.software] : ['--base', this.base];
  }

  args(
    options: { home?: string; port?: number; httpPort?: number; listen?: string; software?: boolean; seed?: boolean } = {},
  ): string[] {
    const { home = this.home(), port = 0, listen = '127.0.0.1' } = options;
    return [
      BOOT,
      '--home',
      home,
      '--listen',
      listen,
      '--port',
      String(port),
      ...(options.httpPort === undefined ? [] : ['--http-port', String(options.httpPort)]),
      '--name',
      'localhost',
      ...this.#source(options),
      ...(isRoot ? ['--user', SERVICE_USER] : []),
    ];
  }

  /** Starts a boot; its standard error is collected. */
  start(
    options: {
      home?: string;
      port?: number;
      httpPort?: number;
      listen?: string;
      mode?: string;
      software?: boolean;
      seed?: boolean;
    } = {},
  ): Boot {
    const child = spawn(this.node, this.args(options), {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, BASCULE_FIXTURE: options.mode ?? '' },
    });
    this.#started.push(child);
    return new Boot(child, options.home ?? this.home());
  }

  [Symbol.dispose](): void {
    for (const child of this.#started) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

export class Boot {
  readonly child: ChildProcess;
  readonly #home: string;
  errors = '';

  constructor(child: ChildProcess, home: string) {
    this.child = child;
    this.#home = home;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
  }

  /** The exit code, once the process is gone and all it said has been read. */
  async exitCode(): Promise<number | null> {
    const [code] = (await once(this.child, 'close')) as [number | null];
    return code;
  }

  state(): BootState {
    return JSON.parse(readFileSync(join(this.#home, 'run', 'boot.json'), 'utf8')) as BootState;
  }

  /** boot.json once base of this very boot has said that it is ready. */
  async started(): Promise<BootState> {
    const log = join(this.#home, 'log', 'appliance.log');
    const ready = new RegExp(`"pid":${this.child.pid},.*"event":"base.ready"`);
    while (!existsSync(log) || !ready.test(readFileSync(log, 'utf8'))) {
      if (this.child.exitCode !== null) throw new Error(`boot ended: ${this.errors}`);
      await changeIn(join(this.#home, 'log'));
    }
    return this.state();
  }

  /** Waits until the log has a line of boot's that fits `wanted`. */
  async logged(wanted: RegExp): Promise<void> {
    const log = join(this.#home, 'log', 'appliance.log');
    while (!existsSync(log) || !wanted.test(readFileSync(log, 'utf8'))) {
      if (this.child.exitCode !== null) throw new Error(`boot ended: ${this.errors}`);
      await changeIn(join(this.#home, 'log'));
    }
  }

  /** What base answers when asked over the appliance's port; waits in the listening socket's queue while there is no base. */
  async ask(question = 'who'): Promise<{
    pid: number;
    uid: number;
    gid: number;
    args: string[];
    main: string;
    node: string;
    heard: { kind: string; message?: string }[];
    processes: { separated: boolean; processes: { name: string; pid: number; state: string }[] };
    listenFds?: string;
    httpPort?: string;
  }> {
    const { port } = await this.started();
    return JSON.parse(await exchange(port, question));
  }
}

/** Connects, says `text` and returns the answer; rejects when refused or cut. */
export function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('utf8').on('data', (piece: string) => (answer += piece));
    socket.on('error', reject);
    socket.on('close', () => (answer === '' ? reject(new Error('cut')) : resolve(answer)));
  });
}

/** The next change in `directory`, or a moment later: a directory that is not there yet cannot be watched. */
async function changeIn(directory: string): Promise<void> {
  const soon = AbortSignal.timeout(50);
  if (!existsSync(directory)) return void (await once(soon, 'abort'));
  const watcher = watch(directory);
  await Promise.race([once(watcher, 'change'), once(soon, 'abort')]);
  watcher.close();
}
