import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { homePaths } from '@bascule/core/home.ts';
import { programEnvironment } from '@bascule/core/program-environment.ts';
import { ApplianceLog } from './appliance-log.ts';
import { BootClaim, readBootState, refuseIfRunning } from './boot-state.ts';
import { ChildProgram } from './child-program.ts';
import { readOptions, type Options } from './options.ts';
import { bindSocketSoon, checkHome, RESTART_BIND_WAIT_MS, endLeftover, makeDirectories, type Listening } from './preparation.ts';
import { Refusal } from './refusal.ts';

/** A base that dies that often without ever working is not tried again: whoever started boot is told. */
const BASE_START_TRIES = 5;

/**
 * boot: binds the port and never accepts, so that connections wait while base is replaced; starts base, and as root the helper; restarts both.
 * docs/spec/boot.md is its contract.
 */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.getuid?.() ?? -1);
  const paths = homePaths(options.home);
  const previous = readBootState(paths.bootState);
  refuseIfRunning(previous);
  checkHome(options.home);
  await endLeftover(previous?.base);
  const listening = await bindSocketSoon(options, process.env, previous?.port === options.port ? RESTART_BIND_WAIT_MS : 0);
  makeDirectories(options);
  const claim = new BootClaim(paths.bootState, { address: options.listen, port: listening.port, name: options.name }, Date.now());
  new Appliance(options, listening, claim, new ApplianceLog(paths.logs)).run();
}

class Appliance {
  readonly #options: Options;
  readonly #listening: Listening;
  readonly #claim: BootClaim;
  readonly #log: ApplianceLog;
  readonly #startedAtMs = Date.now();
  readonly #base: ChildProgram;
  readonly #helper: ChildProgram | undefined;
  #stopping = false;

  constructor(options: Options, listening: Listening, claim: BootClaim, log: ApplianceLog) {
    this.#options = options;
    this.#listening = listening;
    this.#claim = claim;
    this.#log = log;
    this.#base = new ChildProgram({
      name: 'base',
      user: options.account?.name ?? userInfo().username,
      start: () => this.#startBase(),
      onMessage: (message) => this.#hear(message),
      onChange: () => this.#changed(),
    });
    if (options.account !== undefined) {
      const { gid } = options.account;
      const helper = new ChildProgram({
        name: 'helper',
        user: 'root',
        start: () =>
          this.#spawn(
            join(import.meta.dirname, 'helper.ts'),
            ['--socket', homePaths(options.home).helperSocket, '--gid', String(gid)],
            'ignore',
          ),
        onMessage: () => helper.markReady(),
        onChange: () => this.#tellBase(),
      });
      this.#helper = helper;
    }
  }

  run(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#stop(0));
    this.#log.write('boot.started', { home: this.#options.home, port: this.#listening.port });
    this.#helper?.start();
    this.#base.start();
  }

  #startBase(): ChildProcess {
    const { home, listen, name, base } = this.#options;
    const port = String(this.#listening.port);
    const child = this.#spawn(
      base,
      ['--home', home, '--listen', listen, '--port', port, '--name', name],
      this.#listening.descriptor,
      this.#options.account,
    );
    if (child.pid !== undefined) this.#claim.noteBase(child.pid);
    return child;
  }

  /** Own sessions (`detached`), so that Ctrl-C reaches boot alone, which stops them in order. Descriptor 3 is the listening socket. */
  #spawn(
    program: string,
    args: string[],
    descriptor3: number | 'ignore',
    account?: { uid: number; gid: number; name: string },
  ): ChildProcess {
    const environment = programEnvironment(process.env);
    if (account !== undefined)
      Object.assign(environment, { HOME: this.#options.home, USER: account.name, LOGNAME: account.name });
    return spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', this.#log.descriptor, this.#log.descriptor, descriptor3, 'ipc'],
      env: environment,
      cwd: '/',
      detached: true,
      ...(account && { uid: account.uid, gid: account.gid }),
    });
  }

  #hear(message: unknown): void {
    const { kind, message: text } = message as { kind?: unknown; message?: unknown };
    if (kind === 'ready') this.#base.markReady();
    else if (kind === 'stop') void this.#stop(0);
    else if (kind === 'failed' && this.#base.state.restarts === 0) void this.#giveUp(String(text));
  }

  #changed(): void {
    const { state, pid, restarts } = this.#base.state;
    this.#log.write(`base.${state}`, { basePid: pid, restarts });
    this.#tellBase();
    if (this.#base.triesWithoutReady < BASE_START_TRIES) return;
    void this.#giveUp(
      `base did not start in ${BASE_START_TRIES} tries; ${join(homePaths(this.#options.home).logs, 'appliance.log')} says why.`,
    );
  }

  #tellBase(): void {
    const boot = {
      name: 'boot',
      pid: process.pid,
      user: userInfo().username,
      startedAtMs: this.#startedAtMs,
      restarts: 0,
      state: 'ready',
    };
    const processes = [boot, this.#base.state, ...(this.#helper ? [this.#helper.state] : [])];
    this.#base.send({ kind: 'processes', separated: this.#options.account !== undefined, processes });
  }

  async #giveUp(sentence: string): Promise<void> {
    if (!this.#stopping) process.stderr.write(`bascule: ${sentence}\n`);
    await this.#stop(1);
  }

  /** The second call (a second Ctrl-C) does not wait. */
  async #stop(exitCode: number): Promise<void> {
    if (this.#stopping) {
      this.#base.kill();
      return;
    }
    this.#stopping = true;
    this.#log.write('boot.stopping');
    await this.#base.stop(false);
    await this.#helper?.stop(false);
    this.#claim.release();
    this.#log.write('boot.stopped');
    process.exit(exitCode);
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`bascule: ${error.message}\n`);
  process.exit(error.exitCode);
}
