import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { countFailure, restartWaitMs } from '@bascule/core/restart-wait.ts';

/** How long a program may take to stop when told to, before it is killed. */
export const STOP_WAIT_MS = 15_000;

export interface ProgramState {
  name: 'helper' | 'base';
  pid: number;
  user: string;
  startedAtMs: number;
  restarts: number;
  state: 'starting' | 'ready' | 'failed' | 'waiting';
}

export interface ChildProgramOptions {
  name: 'helper' | 'base';
  user: string;
  start(): ChildProcess;
  onMessage(message: unknown): void;
  /** Started, ready or gone. */
  onChange(): void;
}

/** Keeps one program running: starts it again when it dies, with growing waits. */
export class ChildProgram {
  readonly #options: ChildProgramOptions;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #failures = 0;
  /** Deaths without ever having been ready, since the last time it was. */
  #triesWithoutReady = 0;
  #state: ProgramState;

  constructor(options: ChildProgramOptions) {
    this.#options = options;
    this.#state = { name: options.name, pid: 0, user: options.user, startedAtMs: 0, restarts: -1, state: 'waiting' };
  }

  get state(): ProgramState {
    return this.#state;
  }
  get triesWithoutReady(): number {
    return this.#triesWithoutReady;
  }

  start(): void {
    this.#stopping = false;
    this.#run(this.#options.start(), this.#state.restarts + 1);
  }

  /** Goes on with `child`, which runs already, as this program. */
  adopt(child: ChildProcess): void {
    this.#stopping = false;
    this.forgive();
    this.#run(child, this.#state.restarts);
  }

  /** Forgets earlier deaths: what is started next is another version. */
  forgive(): void {
    this.#failures = 0;
    this.#triesWithoutReady = 0;
  }

  #run(child: ChildProcess, restarts: number): void {
    this.#child = child;
    this.#state = { ...this.#state, pid: child.pid ?? 0, startedAtMs: Date.now(), restarts, state: 'starting' };
    child.on('message', (message) => this.#options.onMessage(message));
    child.on('error', () => undefined); // A failed spawn or send shows as 'exit' or as a missing pid below.
    child.once('exit', () => this.#gone());
    if (child.pid === undefined) this.#gone();
    else this.#options.onChange();
  }

  /** The program said that it works. */
  markReady(): void {
    this.#triesWithoutReady = 0;
    this.#state = { ...this.#state, state: 'ready' };
    this.#options.onChange();
  }

  send(message: object): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  #gone(): void {
    this.#child = undefined;
    const livedMs = Date.now() - this.#state.startedAtMs;
    if (this.#state.state !== 'ready') this.#triesWithoutReady++;
    this.#failures = countFailure(this.#failures, livedMs);
    this.#state = { ...this.#state, pid: 0, state: 'waiting' };
    if (!this.#stopping) this.#timer = setTimeout(() => this.start(), restartWaitMs(this.#failures));
    this.#options.onChange();
  }

  /** Tells the program to stop and waits until it is gone; kills it after `STOP_WAIT_MS`, or at once when `now`. It stays so until started again. */
  async stop(now: boolean): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    if (now) child.kill('SIGKILL');
    else this.send({ kind: 'stop' });
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_WAIT_MS);
    await gone;
    clearTimeout(killer);
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }
}
