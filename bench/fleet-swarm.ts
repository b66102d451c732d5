import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SLICE_MS, fleetReport, type FleetReport } from './fleet-clients.ts';

/** A process has 20,000 descriptors; a client that fetches a parcel has two of them. */
const CLIENTS_PER_PROCESS = 7500;
/** No five seconds may see more than the limit and 5 %. */
export const BANDWIDTH_WINDOW_MS = 5000;
const SAY_EVERY_MS = 10_000;

type Total = 'enrolled' | 'connected' | 'upgraded' | 'failures' | 'parcels';

/** All simulated clients, in as many processes as they need. */
export class Swarm implements Disposable {
  readonly #processes: ChildProcess[] = [];
  readonly #newest: FleetReport[] = [];
  readonly #received = new Map<number, number>();
  readonly #steps: { atMs: number; change: 1 | -1 }[] = [];
  #wake: (() => void)[] = [];

  /** `onMachine` starts them on a machine of their own, from where they dial `host`, each from one of the addresses `from`. */
  constructor(options: {
    host?: string;
    port: number;
    token: string;
    count: number;
    software: object;
    onMachine?: readonly string[];
    from?: readonly string[];
  }) {
    const { host = '127.0.0.1', onMachine = [], from } = options;
    for (let first = 0; first < options.count; first += CLIENTS_PER_PROCESS) {
      const facts = {
        site: `${host}:${options.port}`,
        token: options.token,
        first: String(first),
        count: String(Math.min(CLIENTS_PER_PROCESS, options.count - first)),
        software: JSON.stringify(options.software),
        ...(from && { from: from.join(',') }),
      };
      const words = Object.entries(facts).flatMap(([name, value]) => [`--${name}`, value]);
      const [command = '', ...args] = [...onMachine, process.execPath, join(import.meta.dirname, 'fleet-clients.ts'), ...words];
      const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const number = this.#processes.push(child) - 1;
      child.once('exit', (code, signal) => this.#exited(code, signal));
      createInterface({ input: child.stdout }).on('line', (line) => this.#heard(number, fleetReport.parse(JSON.parse(line))));
    }
  }

  connect(): void {
    for (const { stdin } of this.#processes) stdin!.write('connect\n');
  }

  total(what: Total): number {
    return this.#newest.reduce((sum, report) => sum + report[what], 0);
  }

  async until(what: Total, goal: number, limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    let saidMs = performance.now();
    while (this.total(what) < goal) {
      if (performance.now() - saidMs > SAY_EVERY_MS) {
        saidMs = performance.now();
        process.stderr.write(`... ${this.total(what)} of ${goal} ${what}, ${this.total('failures')} failures\n`);
      }
      if (performance.now() > endMs)
        throw new Error(
          `only ${this.total(what)} of ${goal} clients ${what} within ${limitMs / 1000} s, ${this.total('failures')} failures`,
        );
      await this.#next();
    }
  }

  /** Until the clients have noticed that the site is gone. */
  async untilBelow(count: number): Promise<void> {
    while (this.total('connected') >= count) await this.#next();
  }

  /** Bytes of parcels that came so far. */
  get receivedBytes(): number {
    return [...this.#received.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** The most that came in any five seconds, per second. */
  get mostBytesPerSecond(): number {
    const slices = [...this.#received.keys()];
    const width = BANDWIDTH_WINDOW_MS / SLICE_MS;
    let [inWindow, most] = [0, 0];
    for (let slice = Math.min(...slices); slice <= Math.max(...slices); slice += 1) {
      inWindow += (this.#received.get(slice) ?? 0) - (this.#received.get(slice - width) ?? 0);
      most = Math.max(most, inWindow);
    }
    return (most * 1000) / BANDWIDTH_WINDOW_MS;
  }

  /** The most upgrades that were under way at one time. */
  get mostAtOnce(): number {
    const steps = this.#steps.toSorted((one, other) => one.atMs - other.atMs);
    let [now, most] = [0, 0];
    for (const { change } of steps) most = Math.max(most, (now += change));
    return most;
  }

  [Symbol.dispose](): void {
    for (const child of this.#processes) child.removeAllListeners('exit').kill('SIGKILL');
  }

  #heard(process: number, report: FleetReport): void {
    this.#newest[process] = report;
    for (const [slice, bytes] of report.received) this.#received.set(slice, (this.#received.get(slice) ?? 0) + bytes);
    for (const atMs of report.begun) this.#steps.push({ atMs, change: 1 });
    for (const atMs of report.ended) this.#steps.push({ atMs, change: -1 });
    for (const wake of this.#wake.splice(0)) wake();
  }

  #exited(code: number | null, signal: string | null): void {
    process.stderr.write(`The simulated clients ended by themselves: ${code ?? signal}\n`);
    process.exit(1);
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}
