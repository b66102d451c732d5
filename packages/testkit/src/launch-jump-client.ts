import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitUntil } from './wait-until.ts';

const STOP_LIMIT_MS = 15_000;

export interface JumpClientOptions {
  /** The Jump Item's name. */
  name?: string;
  /** Where the client dials instead of the appliance itself (a proxy that cuts links). */
  url?: string;
  environment?: Record<string, string>;
  /** What starts it on a machine of its own (`ip netns exec NAME`). */
  onMachine?: readonly string[];
}

interface LaunchJumpClientOptions extends JumpClientOptions {
  name: string;
  token: string;
  url: string;
  home: string;
  node: string;
  main: string;
}

/** A running Jump Client program. */
export class LaunchedJumpClient {
  readonly name: string;
  readonly home: string;
  #options: LaunchJumpClientOptions;
  #process: ChildProcess;

  constructor(options: LaunchJumpClientOptions) {
    this.#options = options;
    this.name = options.name;
    this.home = options.home;
    this.#process = this.#spawn(options.token);
  }

  get logFile(): string {
    return `${this.home}.log`;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves when the client holds its identity. */
  async enrolled(): Promise<void> {
    await waitUntil(`Jump Client ${this.name} is enrolled`, () => {
      if (this.#process.exitCode !== null) throw new Error(`the Jump Client ended with code ${this.#process.exitCode}`);
      return existsSync(join(this.home, 'identity.json'));
    });
  }

  /** SIGKILL: its sessions die with it. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  /** Starts it again with the identity it has. */
  restart(): void {
    this.#process = this.#spawn(undefined);
  }

  /** As a service manager would. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
  }

  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  #spawn(token: string | undefined): ChildProcess {
    const { node, main, url, home, name, environment, onMachine = [] } = this.#options;
    const log = openSync(this.logFile, 'a');
    // Shells of tests read no profile of whoever runs them: it may take seconds, or wait for a lock that a killed shell left.
    const shell = `${home}.shell`;
    writeFileSync(shell, '#!/bin/sh\nexec /bin/bash --noprofile --norc "$@"\n', { mode: 0o755 });
    const [command, ...args] = [...onMachine, node, main, '--site', url, '--home', home, '--name', name];
    const child = spawn(command, args, {
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, BASCULE_SHELL: shell, ...environment, ...(token !== undefined && { BASCULE_TOKEN: token }) },
    });
    closeSync(log);
    return child;
  }
}

export function launchJumpClient(options: LaunchJumpClientOptions): LaunchedJumpClient {
  return new LaunchedJumpClient(options);
}
