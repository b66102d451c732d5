/** The system's clock as the programs of one appliance see it: moved by what a file says. The monotonic clock goes on as it is, as when the system's is set. */
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Loaded into each program before it. The file is read each time, so that a move counts from the moment it is made. */
const PRELOAD = `
import { readFileSync } from 'node:fs';
const RealDate = Date;
function now() {
  let movedMs = 0;
  try { movedMs = Number(readFileSync(process.env.BASCULE_MOVED_CLOCK, 'utf8')); } catch {}
  return RealDate.now() + movedMs;
}
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args) => new target(...(args.length === 0 ? [now()] : args)),
  apply: () => new RealDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
});
`;

export class MovedClock {
  /** For boot, which hands it on. */
  readonly environment: Record<string, string>;
  readonly #file: string;

  /** Its files go into `directory`, which the appliance's user can enter. */
  constructor(directory: string) {
    const preload = join(directory, 'moved-clock.mjs');
    writeFileSync(preload, PRELOAD);
    chmodSync(preload, 0o644);
    this.#file = join(directory, 'moved-clock');
    this.move(0);
    this.environment = { NODE_OPTIONS: `--import=${preload}`, BASCULE_MOVED_CLOCK: this.#file };
  }

  /** From now on the clock is `ms` ahead of the real one (behind, when negative). */
  move(ms: number): void {
    writeFileSync(`${this.#file}.next`, String(ms));
    chmodSync(`${this.#file}.next`, 0o644);
    renameSync(`${this.#file}.next`, this.#file);
  }
}
