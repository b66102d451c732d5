/** Faults at named points of installations on a running appliance (docs/how-to/fault-points.md). */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LaunchedAppliance } from './launch-appliance.ts';
import { waitUntil } from './wait-until.ts';

/** The appliance must have been launched with this environment. */
export const FAULTS_BY_FILE = { BASCULE_FAULT: 'file' };
const LOOK_INTERVAL_MS = 5;

/** Arms one fault after the other, and kills what base itself may not: boot and helper are root's where the tests run as root. */
export class FaultInjector implements AsyncDisposable {
  readonly #armed: string;
  readonly #firedFile: string;
  readonly #goFile: string;
  readonly #watching: Promise<void>;
  #stopping = false;
  #fired: string | undefined;

  constructor(appliance: LaunchedAppliance) {
    const directory = dirname(appliance.paths.controlSocket);
    this.#armed = join(directory, 'fault');
    this.#firedFile = join(directory, 'fault-fired');
    this.#goFile = join(directory, 'fault-go');
    this.#watching = this.#watch();
  }

  /** The fault that has fired since the last `arm`. */
  get fired(): string | undefined {
    return this.#fired;
  }

  /** `<step>/<before|after>:<action>`: done once, at that point of whatever installation comes there next. */
  arm(fault: string): void {
    this.disarm();
    this.#fired = undefined;
    rmSync(this.#goFile, { force: true });
    const next = `${this.#armed}.next`;
    writeFileSync(next, `${fault}\n`, { mode: 0o644 });
    renameSync(next, this.#armed);
  }

  /** Arms `<step>/<before|after>:wait` at `point`; the engine stays there until `goOn`. */
  armWait(point: string): void {
    this.arm(`${point}:wait`);
  }

  async untilFired(limitMs?: number): Promise<void> {
    await waitUntil('the fault has fired', () => this.#fired !== undefined, limitMs);
  }

  /** The engine goes on from where it waits. */
  goOn(): void {
    writeFileSync(this.#goFile, '', { mode: 0o644 });
  }

  /** Whatever has not fired does not any more. */
  disarm(): void {
    rmSync(this.#armed, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#stopping) {
      if (existsSync(this.#firedFile)) {
        const [fault, victims = ''] = readFileSync(this.#firedFile, 'utf8').split('\n');
        rmSync(this.#firedFile);
        this.#fired = fault;
        for (const pid of victims.split(' ').map(Number)) killUnlessGone(pid);
      }
      await delay(LOOK_INTERVAL_MS);
    }
  }
}

/** SIGKILL; one that has ended by itself is as good as killed. */
export function killUnlessGone(pid: number): void {
  if (pid <= 1 || !existsSync(`/proc/${pid}`)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
