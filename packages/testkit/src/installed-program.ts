import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitUntil } from './wait-until.ts';

const STOP_LIMIT_MS = 20_000;
/** The installer fetches, checks and unpacks a Node, and the client makes its key. */
const INSTALLATION_LIMIT_MS = 90_000;
const LOG_TAIL_CHARACTERS = 3000;

export interface InstallOptions {
  /** The Jump Item's name. */
  name: string;
  /** The whole line from the page. */
  command: string;
  /** A folder that does not exist; without spaces. */
  directory: string;
  program?: 'jump-client' | 'jumpoint';
  environment?: Record<string, string>;
  /** Another program whose Node is taken, as on a machine that has it already: the installer fetches none then. */
  beside?: InstalledProgram;
}

/** A client program as people have it: put into a folder by the shell installer, run by its launcher and its supervisor, in a process group of its own. */
export class InstalledProgram implements AsyncDisposable {
  readonly name: string;
  readonly directory: string;
  readonly #options: InstallOptions;
  #process: ChildProcess | undefined;

  private constructor(options: InstallOptions) {
    this.#options = options;
    this.name = options.name;
    this.directory = options.directory;
    // Shells of tests read no profile of whoever runs them.
    writeFileSync(this.#shell, '#!/bin/sh\nexec /bin/bash --noprofile --norc "$@"\n', { mode: 0o755 });
  }

  /** Installs, and goes on as the installed program (`FOREGROUND=1`). Waits for nothing: one that was installed ahead has no identity for long. */
  static begin(options: InstallOptions): InstalledProgram {
    const program = new InstalledProgram(options);
    const { directory, beside, command } = options;
    mkdirSync(directory, { mode: 0o755 });
    if (beside !== undefined) cpSync(join(beside.directory, 'runtimes'), join(directory, 'runtimes'), { recursive: true });
    program.#process = program.#spawn(['/bin/sh', '-c', command], { PREFIX: directory, FOREGROUND: '1' });
    return program;
  }

  /** As `begin`, and waits until the program has its identity. */
  static async install(options: InstallOptions): Promise<InstalledProgram> {
    const program = InstalledProgram.begin(options);
    await waitUntil(
      `${options.name} is installed and enrolled`,
      () => program.id !== undefined || program.hasEnded,
      INSTALLATION_LIMIT_MS,
    ).catch(() => program.kill());
    if (program.id === undefined) throw new Error(`${options.name} was not installed: ${program.logTail()}`);
    return program;
  }

  /** Its id at the site; undefined before it is enrolled. */
  get id(): string | undefined {
    const text = this.text('state/identity.json');
    return text === undefined ? undefined : (JSON.parse(text) as { client: string }).client;
  }

  /** Neither the installer nor the program runs. */
  get hasEnded(): boolean {
    return this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** A file of its folder, without the line end; undefined when it is not there. */
  text(name: string): string | undefined {
    const file = join(this.directory, name);
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
  }

  /** The version that `current` or `previous` names. */
  version(pointer: 'current' | 'previous'): string | undefined {
    return this.text(pointer)?.split('-')[0];
  }

  log(): string {
    return existsSync(this.#logFile) ? readFileSync(this.#logFile, 'utf8') : '';
  }

  logTail(): string {
    return `--- ${this.name}\n${this.log().slice(-LOG_TAIL_CHARACTERS)}`;
  }

  /** Its whole folder as it is now, identity and all, as on a machine that was cloned; not started. */
  copyTo(directory: string): InstalledProgram {
    cpSync(this.directory, directory, { recursive: true, filter: (file) => !file.endsWith('.sock') });
    return new InstalledProgram({ ...this.#options, directory });
  }

  /** Starts it by its launcher, with more or other environment if wanted. */
  start(environment: Record<string, string> = {}): void {
    if (!this.hasEnded) throw new Error(`bug: ${this.name} runs already`);
    this.#process = this.#spawn([this.#launcher], environment);
  }

  /** A command on the machine, such as `check-in`; gives its exit code and what it said. */
  async command(...words: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(this.#launcher, words, { cwd: '/', env: this.#environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  /** As a service manager would. */
  async stop(): Promise<void> {
    if (this.#process === undefined || this.hasEnded) return;
    const exited = once(this.#process, 'exit');
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
    await this.#untilGone();
  }

  /** The supervisor and its program at once, as when the power goes. */
  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    await this.#untilGone();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  get #launcher(): string {
    return join(this.directory, `bascule-${this.#options.program ?? 'jump-client'}`);
  }
  get #shell(): string {
    return `${this.directory}.shell`;
  }
  get #logFile(): string {
    return `${this.directory}.log`;
  }

  #environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
    const { PATH = '/usr/bin:/bin' } = process.env;
    const own = { PATH, HOME: this.directory, BASCULE_NAME: this.name, BASCULE_SHELL: this.#shell };
    return { ...own, ...this.#options.environment, ...more };
  }

  #spawn([file = '', ...args]: string[], environment: Record<string, string>): ChildProcess {
    const log = openSync(this.#logFile, 'a');
    const child = spawn(file, args, {
      cwd: '/',
      stdio: ['ignore', log, log],
      env: this.#environment(environment),
      // The shell of the installer may stay between: a group is ended as a whole.
      detached: true,
    });
    closeSync(log);
    return child;
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async #untilGone(): Promise<void> {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    await waitUntil(`nothing of ${this.name} runs`, () => {
      try {
        process.kill(-pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  }
}
