import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { homePaths } from '@bascule/core/home.ts';
import { programEnvironment } from '@bascule/core/program-environment.ts';
import { ownUserName } from '@bascule/core/user-name.ts';
import { ApplianceLog } from './appliance-log.ts';
import { endCandidate, isGone, sentenceOf, whenPrepared } from './base-candidate.ts';
import { BaseVersions, type BaseProgram } from './base-versions.ts';
import { BootClaim, readBootState, refuseIfRunning } from './boot-state.ts';
import { ChildProgram } from './child-program.ts';
import { bindSocketsSoon, RESTART_BIND_WAIT_MS, type Listening } from './listening.ts';
import { readOptions, type Options } from './options.ts';
import { checkHome, checkOwners, endLeftover, makeDirectories } from './preparation.ts';
import { Refusal } from './refusal.ts';
import { sowSeed } from './seed.ts';

/** A base that dies that often without ever working is not tried again: whoever started boot is told. */
const BASE_START_TRIES = 5;
/** A version on trial that does not say `ready` within this time of its start is killed, which is one try (docs/spec/boot.md, 6.4). */
const TRIAL_READY_WAIT_MS = 60_000;
/** base's descriptor of the socket for http; the two before it are the front door's and the channel to boot. */
const HTTP_DESCRIPTOR = 5;
/** How often it is looked whether a trial is past its deadline. */
const TRIAL_CHECK_INTERVAL_MS = 250;

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
  checkOwners(options.home, options.account);
  await Promise.all([endLeftover(previous?.base), endLeftover(previous?.candidate)]);
  const listening = await bindSocketsSoon(options, process.env, previous?.port === options.port ? RESTART_BIND_WAIT_MS : 0);
  makeDirectories(options);
  const claim = new BootClaim(
    paths.bootState,
    { address: listening.address, port: listening.port, name: options.name },
    Date.now(),
  );
  const log = new ApplianceLog(paths.logs);
  try {
    await sowSeed(options, log);
  } catch (error) {
    claim.release();
    throw error;
  }
  new Appliance(options, listening, claim, log).run();
}

class Appliance {
  readonly #options: Options;
  readonly #listening: Listening;
  readonly #claim: BootClaim;
  readonly #log: ApplianceLog;
  readonly #startedAtMs = Date.now();
  readonly #base: ChildProgram;
  readonly #helper: ChildProgram | undefined;
  readonly #versions: BaseVersions;
  /** What runs as base, or did last. */
  #program: BaseProgram | undefined;
  /** Prepared, or about to be, beside base. */
  #candidate: ChildProcess | undefined;
  /** Base was told to make room for the candidate. */
  #replacing = false;
  #stopping = false;

  constructor(options: Options, listening: Listening, claim: BootClaim, log: ApplianceLog) {
    this.#options = options;
    this.#listening = listening;
    this.#claim = claim;
    this.#log = log;
    this.#versions = new BaseVersions(options.source, (event, fields) => log.write(event, fields));
    this.#base = new ChildProgram({
      name: 'base',
      user: options.account?.name ?? ownUserName(),
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
            { node: process.execPath, main: join(import.meta.dirname, 'helper.ts') },
            ['--socket', homePaths(options.home).helperSocket, '--gid', String(gid)],
            undefined,
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
    setInterval(() => this.#checkTrial(), TRIAL_CHECK_INTERVAL_MS).unref();
  }

  #startBase(): ChildProcess {
    this.#program = this.#select();
    const child = this.#spawnBase(this.#program);
    if (child.pid !== undefined) this.#claim.noteBase(child.pid);
    return child;
  }

  #select(): BaseProgram {
    try {
      return this.#versions.select();
    } catch (error) {
      if (error instanceof Refusal) this.#claim.release();
      throw error;
    }
  }

  #spawnBase(program: BaseProgram, extra: string[] = []): ChildProcess {
    const { home, name, account } = this.#options;
    const { address, port } = this.#listening;
    const args = ['--home', home, '--listen', address, '--port', String(port), '--name', name, ...extra];
    return this.#spawn(program, args, this.#listening, account);
  }

  /** Own sessions (`detached`), so that Ctrl-C reaches boot alone, which stops them in order. base gets the sockets (docs/spec/boot.md, 2). */
  #spawn(
    { node, main }: BaseProgram,
    args: string[],
    sockets: Listening | undefined,
    account?: { uid: number; gid: number; name: string },
  ): ChildProcess {
    const environment = {
      ...programEnvironment(process.env),
      ...httpEnvironment(sockets?.http),
      BASCULE_SEED: this.#options.seed,
    };
    if (account !== undefined)
      Object.assign(environment, { HOME: this.#options.home, USER: account.name, LOGNAME: account.name });
    return spawn(node, [main, ...args], {
      stdio: [
        'ignore',
        this.#log.descriptor,
        this.#log.descriptor,
        sockets?.descriptor ?? 'ignore',
        'ipc',
        ...(sockets?.http === undefined ? [] : [sockets.http.descriptor]),
      ],
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
    else if (kind === 'try-base') void this.#tryBase();
    else if (kind === 'failed') this.#baseFailed(sentenceOf(text));
  }

  /** A version on trial that cannot work is not tried again; one that is no trial ends the appliance if it never worked. */
  #baseFailed(sentence: string): void {
    const trial = this.#program?.trial;
    if (trial !== undefined && this.#versions.isOn(trial)) this.#fallBack(sentence);
    else if (this.#base.state.restarts === 0) void this.#giveUp(sentence);
  }

  #changed(): void {
    const { state, pid, restarts } = this.#base.state;
    this.#log.write(`base.${state}`, { basePid: pid, restarts });
    // Base has gone while its successor is prepared, and was not told to: the attempt is over.
    if (state === 'waiting' && this.#candidate !== undefined && !this.#replacing) this.#abandonCandidate();
    this.#tellBase();
    if (this.#base.triesWithoutReady < BASE_START_TRIES) return;
    void this.#giveUp(
      `base did not start in ${BASE_START_TRIES} tries; ${join(homePaths(this.#options.home).logs, 'appliance.log')} says why.`,
    );
  }

  /** Prepares the version on trial beside base; then base is stopped, and it takes over (docs/spec/boot.md, 6.3). */
  async #tryBase(): Promise<void> {
    if (this.#candidate !== undefined || this.#stopping) return;
    const program = this.#versions.selectCandidate();
    if (typeof program === 'string') return this.#base.send({ kind: 'candidate-failed', message: program });
    const child = this.#spawnBase(program, ['--prepare']);
    this.#candidate = child;
    child.on('error', () => undefined); // Shows as a missing pid or as 'exit'.
    if (child.pid !== undefined) this.#claim.noteCandidate(child.pid);
    this.#log.write('candidate.started', { basePid: child.pid ?? 0 });
    const failure = await whenPrepared(child);
    if (this.#candidate !== child || this.#stopping) return;
    if (failure !== undefined) {
      this.#candidate = undefined;
      if (program.trial !== undefined) this.#versions.fallBack(program.trial.folder, failure);
      this.#base.send({ kind: 'candidate-failed', message: failure });
      return;
    }
    this.#log.write('candidate.prepared', { basePid: child.pid ?? 0 });
    await this.#replaceBase(child, program);
  }

  async #replaceBase(child: ChildProcess, program: BaseProgram): Promise<void> {
    this.#replacing = true;
    this.#base.send({ kind: 'candidate-prepared' });
    await this.#base.stop(false);
    this.#replacing = false;
    this.#candidate = undefined;
    if (this.#stopping) return;
    this.#base.forgive();
    // One that died meanwhile is started again like any version on trial.
    if (isGone(child)) return this.#base.start();
    this.#program = program;
    this.#claim.noteBase(child.pid ?? 0);
    this.#base.adopt(child);
    this.#base.send({ kind: 'activate' });
  }

  #abandonCandidate(): void {
    const child = this.#candidate;
    this.#candidate = undefined;
    if (child !== undefined) void endCandidate(child);
    this.#fallBack('base ended while it was prepared');
  }

  /** Ends the trial; what runs of it is killed by the caller or has gone. */
  #fallBack(reason: string): void {
    const folder = this.#versions.trialFolder();
    if (folder !== undefined) this.#versions.fallBack(folder, reason);
    this.#base.forgive();
  }

  #checkTrial(): void {
    const trial = this.#program?.trial;
    if (trial === undefined || this.#stopping) return;
    const { state, startedAtMs } = this.#base.state;
    const isLate = state === 'starting' && Date.now() - startedAtMs > TRIAL_READY_WAIT_MS;
    const isOver = Date.now() >= trial.deadlineMs;
    if (!isLate && !isOver) return;
    if (!this.#versions.isOn(trial)) {
      // Confirmed: from now on it is a base like any other.
      this.#program = { node: this.#program?.node ?? process.execPath, main: this.#program?.main ?? '' };
      return;
    }
    if (isOver) this.#fallBack('it was not confirmed in time');
    this.#base.kill();
  }

  #tellBase(): void {
    const boot = {
      name: 'boot',
      pid: process.pid,
      user: ownUserName(),
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
    if (this.#candidate !== undefined) await endCandidate(this.#candidate);
    await this.#base.stop(false);
    await this.#helper?.stop(false);
    this.#claim.release();
    this.#log.write('boot.stopped');
    process.exit(exitCode);
  }
}

/** What tells base of the socket for http (docs/spec/boot.md, 2.6). A variable that is undefined is not passed on. */
function httpEnvironment(http: Listening['http']): Record<string, string | undefined> {
  return {
    BASCULE_HTTP_DESCRIPTOR: http === undefined ? undefined : String(HTTP_DESCRIPTOR),
    BASCULE_HTTP_PORT: http === undefined ? undefined : String(http.port),
  };
}

/** What cannot be helped is one sentence, also when it shows at a later start of base. */
function refuse(error: unknown): never {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`bascule: ${error.message}\n`);
  process.exit(error.exitCode);
}

process.on('uncaughtException', refuse);
await main().catch(refuse);
