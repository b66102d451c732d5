/** Faults at named points of what a pair does (docs/how-to/fault-points.md), and what may hit an appliance there. */
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchedAppliance } from './launch-appliance.ts';
import { waitUntil } from './wait-until.ts';

/** Whoever comes to the armed point first waits there, at whichever appliance. */
export class PairFaults implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'bascule-pair-fault-'));
  /** Both appliances are launched with it. */
  readonly environment = { BASCULE_PAIR_FAULT: this.#folder };

  constructor() {
    // The programs of an appliance may be another user's.
    chmodSync(this.#folder, 0o777);
  }

  arm(point: string): void {
    for (const name of ['armed', 'fired', 'go']) this.#remove(name);
    writeFileSync(this.#file('armed.next'), point, { mode: 0o644 });
    renameSync(this.#file('armed.next'), this.#file('armed'));
  }

  get isFired(): boolean {
    return existsSync(this.#file('fired'));
  }

  async untilFired(limitMs?: number): Promise<void> {
    await waitUntil('the point of the fault is reached', () => this.isFired, limitMs);
  }

  /** Whoever waits goes on, and whatever has not fired does not any more. */
  goOn(): void {
    this.#remove('armed');
    writeFileSync(this.#file('go'), '', { mode: 0o644 });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }

  #remove(name: string): void {
    rmSync(this.#file(name), { force: true });
  }
}

/** Freezes every program of an appliance, as a machine that hangs; the returned function lets it go on. */
export async function freeze(appliance: LaunchedAppliance): Promise<() => void> {
  // base names its programs while it can: a frozen one answers nothing.
  const pids = new Set([...(await appliance.processes()).map(({ pid }) => pid), await appliance.pid('boot')]);
  for (const pid of pids) signal(pid, 'SIGSTOP');
  return () => pids.forEach((pid) => signal(pid, 'SIGCONT'));
}

/** The power comes back: starts it as systemd would, and waits until it is ready. */
export async function powerOn(appliance: LaunchedAppliance): Promise<void> {
  appliance.startBoot();
  await appliance.ready();
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
