import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { identifyProcess, isRunning, type ProcessIdentity } from '@bascule/core/process-identity.ts';
import { Refusal } from './refusal.ts';

/** run/boot.json (docs/spec/boot.md, 3). `base` and `candidate` let the next boot find what outlived this one. */
export interface BootState extends ProcessIdentity {
  startedAtMs: number;
  address: string;
  port: number;
  name: string;
  base: ProcessIdentity | null;
  /** A base that is being prepared beside it; absent in what earlier versions of boot wrote. */
  candidate?: ProcessIdentity | null;
}

/** What boot.json says; undefined when there is none or it is no boot.json (cut, edited): then nobody is known to run. */
export function readBootState(file: string): BootState | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
  const state = parsed as BootState | null;
  const children = [state?.base ?? null, state?.candidate ?? null];
  return isIdentity(state) && children.every((child) => child === null || isIdentity(child)) ? state : undefined;
}

function isIdentity(value: ProcessIdentity | null): value is ProcessIdentity {
  return (
    typeof value === 'object' &&
    value !== null &&
    Number.isInteger(value.pid) &&
    typeof value.startTicks === 'string' &&
    typeof value.machineStart === 'string'
  );
}

/** Throws the 'already running' refusal (exit code 3) when the boot that wrote `state` still runs. */
export function refuseIfRunning(state: BootState | undefined): void {
  if (state !== undefined && isRunning(state)) {
    throw new Refusal(
      `already running, PID ${state.pid}, https://${state.name.includes(':') ? `[${state.name}]` : state.name}:${state.port}`,
      3,
    );
  }
}

/** Holds boot.json for this process, against a second start at the same moment. */
export class BootClaim {
  readonly #file: string;
  #state: BootState;

  /**
   * Takes `file`. A link either makes the name or finds it taken, so of two starters one wins. A file left by a dead boot is moved aside first;
   * who moves a living one's aside by that puts it back. Throws `Refusal` when another boot holds it.
   */
  constructor(file: string, where: { address: string; port: number; name: string }, startedAtMs: number) {
    const self = identifyProcess(process.pid);
    if (self === undefined) throw new Refusal('/proc is not readable; Bascule needs it mounted.');
    this.#file = file;
    this.#state = { ...self, startedAtMs, ...where, base: null };
    const own = `${file}.${process.pid}`;
    writeFileSync(own, JSON.stringify(this.#state), { mode: 0o644 });
    try {
      this.#take(own);
    } finally {
      rmSync(own, { force: true });
    }
  }

  #take(own: string): void {
    if (link(own, this.#file)) return;
    refuseIfRunning(readBootState(this.#file));
    const aside = `${own}.old`;
    renameSync(this.#file, aside);
    try {
      const found = readBootState(aside);
      if (found !== undefined && isRunning(found)) link(aside, this.#file);
      refuseIfRunning(found);
    } finally {
      rmSync(aside, { force: true });
    }
    if (!link(own, this.#file)) throw new Refusal('Another start of the same data directory was quicker; this one ends.', 3);
  }

  /** Notes which process base is now, or that a candidate is prepared beside it. */
  noteBase(pid: number): void {
    this.#state = { ...this.#state, base: identifyProcess(pid) ?? null, candidate: null };
    this.#write();
  }

  noteCandidate(pid: number): void {
    this.#state = { ...this.#state, candidate: identifyProcess(pid) ?? null };
    this.#write();
  }

  /** A full disk must not end boot: base is noted at its next start, and one that is not noted ends by its channel when boot does. */
  #write(): void {
    const next = `${this.#file}.${process.pid}`;
    try {
      writeFileSync(next, JSON.stringify(this.#state), { mode: 0o644 });
      renameSync(next, this.#file);
    } catch {
      rmSync(next, { force: true });
    }
  }

  release(): void {
    rmSync(this.#file, { force: true });
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
