/**
 * Looks at the change logs of two sites on this machine, a thousand times a second: `node sync-watch.ts PRIMARY.db BACKUP.db SECONDS`. How many changes a second came to the backup,
 * and how long each was on the primary's disk before it was on the backup's, goes to standard output as one line of JSON (`syncWatch`).
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const EVERY_MS = 1;
/** After the time is over, what is under way comes within this. */
const REST_LIMIT_MS = 60_000;

export const syncWatch = z.object({
  changes: z.number(),
  perSecond: z.number(),
  lagP50Ms: z.number(),
  lagP99Ms: z.number(),
  lagMaxMs: z.number(),
  /** From the first to the last that came: how fast a backup catches up that was behind. */
  comingPerSecond: z.number(),
});
export type SyncWatch = z.infer<typeof syncWatch>;

async function watch(): Promise<SyncWatch> {
  const [primary = '', backup = '', seconds = ''] = process.argv.slice(2);
  const [here, there] = [new Log(primary), new Log(backup)];
  const first = here.newest();
  const startMs = performance.now();
  const endMs = startMs + Number(seconds) * 1000;
  while (performance.now() < endMs) {
    here.look();
    there.look();
    await delay(EVERY_MS);
  }
  const last = here.newest();
  while (there.look() < last && performance.now() < endMs + REST_LIMIT_MS) await delay(EVERY_MS);
  const lags: number[] = [];
  for (let seq = first + 1; seq <= last; seq += 1) lags.push(Math.max(0, there.seenMs(seq) - here.seenMs(seq)));
  lags.sort((one, other) => one - other);
  const at = (percent: number) => Number((lags[Math.ceil((percent / 100) * lags.length) - 1] ?? 0).toFixed(1));
  const changes = last - first;
  return {
    changes,
    perSecond: Math.round((changes * 1000) / (there.seenMs(last) - startMs)),
    lagP50Ms: at(50),
    lagP99Ms: at(99),
    lagMaxMs: at(100),
    comingPerSecond: there.comingPerSecond(),
  };
}

class Log {
  readonly #newest;
  readonly #looks: { seq: number; atMs: number }[] = [];

  constructor(file: string) {
    this.#newest = new DatabaseSync(file, { readOnly: true }).prepare('SELECT max(seq) AS seq FROM change_log');
  }

  newest(): number {
    return Number(this.#newest.get()?.['seq']);
  }

  look(): number {
    const seq = this.newest();
    if (seq > (this.#looks.at(-1)?.seq ?? -1)) this.#looks.push({ seq, atMs: performance.now() });
    return seq;
  }

  comingPerSecond(): number {
    // The first look finds what was there before.
    const [first, last] = [this.#looks[1], this.#looks.at(-1)];
    if (first === undefined || last === undefined || last.seq === first.seq) return 0;
    return Math.round(((last.seq - first.seq) * 1000) / (last.atMs - first.atMs));
  }

  /** When `seq` was first seen; never: after the end of all looking. */
  seenMs(seq: number): number {
    let [low, high] = [0, this.#looks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#looks[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return this.#looks[low]?.atMs ?? performance.now();
  }
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await watch())}\n`);
