/** Backups and checks one after the other, each in a program of its own. */
import type { Log } from '@bascule/log/log.ts';
import type { BackupProgress } from '@bascule/protocol/api/backup.ts';
import { busy, cancelled } from './backup-errors.ts';
import type { BackupOrder, BackupWord } from './backup-order.ts';
import { BackupProcess } from './backup-process.ts';

/** So many wait behind the one that is under way. */
const WAITING_MAX = 5;

export interface BackupRun {
  id: string;
  /** Made when its turn has come: it may ask base, and takes secrets out of their wrapping. */
  order(): Promise<BackupOrder>;
  said(word: BackupWord): void;
  /** It is over; without `error` it ended well. */
  ended(error: unknown): Promise<void> | void;
}

export class BackupRuns {
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #now: () => number;
  readonly #environment: NodeJS.ProcessEnv | undefined;
  readonly #waiting: BackupRun[] = [];
  #current:
    { run: BackupRun; progress: BackupProgress; process: BackupProcess | undefined; cancelledBy: string | undefined } | undefined;
  #isClosed = false;
  #idle = Promise.resolve();

  constructor(options: { log: Log; changed(): void; now(): number; environment?: NodeJS.ProcessEnv }) {
    this.#log = options.log;
    this.#changed = options.changed;
    this.#now = options.now;
    this.#environment = options.environment;
  }

  get progress(): BackupProgress | null {
    return this.#current?.progress ?? null;
  }

  has(id: string): boolean {
    return this.#current?.run.id === id || this.#waiting.some((run) => run.id === id);
  }

  /** Throws `BACKUP_BUSY` when no more may wait. */
  checkRoom(): void {
    if (this.#waiting.length >= WAITING_MAX) throw busy();
  }

  add(run: BackupRun): void {
    this.checkRoom();
    this.#waiting.push(run);
    if (this.#current === undefined) this.#idle = this.#work();
  }

  /** Resolves when nothing is under way and nothing waits. */
  async idle(): Promise<void> {
    await this.#idle;
  }

  /** Ends a run, or takes it out of the queue; it has ended when this resolves. False: there is none. */
  async cancel(id: string, by: string): Promise<boolean> {
    const at = this.#waiting.findIndex((run) => run.id === id);
    if (at !== -1) {
      const [run] = this.#waiting.splice(at, 1);
      await run?.ended(cancelled(by));
      return true;
    }
    if (this.#current?.run.id !== id) return false;
    this.#current.cancelledBy = by;
    await this.#current.process?.cancel();
    return true;
  }

  /** Ends what is under way, without a word: the next start of the site settles it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.length = 0;
    const running = this.#current?.process;
    // One that still asks base for its settings finds itself closed when the answer comes: a change of roles does not wait for that.
    if (this.#current !== undefined && running === undefined) return;
    await running?.kill();
    await this.#idle;
  }

  async #work(): Promise<void> {
    for (let run = this.#waiting.shift(); run !== undefined && !this.#isClosed; run = this.#waiting.shift()) {
      const progress: BackupProgress = { id: run.id, phase: 'waiting', done: 0, total: null, startedAtMs: this.#now() };
      this.#current = { run, progress, process: undefined, cancelledBy: undefined };
      this.#changed();
      let failure: unknown;
      try {
        await this.#carryOut(run, await run.order());
      } catch (error) {
        failure = error;
      }
      const { cancelledBy } = this.#current;
      this.#current = undefined;
      if (this.#isClosed) return;
      if (cancelledBy !== undefined && failure !== undefined) failure = cancelled(cancelledBy);
      try {
        await run.ended(failure);
      } catch (error) {
        this.#log.error({ err: error, backup: run.id }, 'backup.outcome-not-kept');
      }
      this.#changed();
    }
  }

  async #carryOut(run: BackupRun, order: BackupOrder): Promise<void> {
    const current = this.#current;
    if (current === undefined || this.#isClosed) return;
    if (current.cancelledBy !== undefined) throw cancelled(current.cancelledBy);
    current.process = new BackupProcess({
      order,
      log: this.#log,
      ...(this.#environment !== undefined && { environment: this.#environment }),
      said: (word) => {
        if (this.#isClosed) return;
        if (word.kind === 'progress') {
          const { phase, done, total } = word;
          current.progress = { ...current.progress, phase, done, total };
          return;
        }
        try {
          run.said(word);
        } catch (error) {
          // The record cannot be written (the other side has the site): what nobody knows of is not made.
          current.cancelledBy ??= 'a change of roles';
          this.#log.warn({ err: error, backup: run.id }, 'backup.word-not-kept');
          void current.process?.cancel();
        }
        this.#changed();
      },
    });
    await current.process.finished();
  }
}
