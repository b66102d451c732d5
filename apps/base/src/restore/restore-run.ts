import type { Restoration, RestoreProgress, RestoreStep } from '@bascule/protocol/api/restore.ts';
import type { JournalLog } from '../software/software.ts';
import type { RestoreEntry } from './restore-journal.ts';
import { STEP_WORK, type RestoreParts, type RestoreWork } from './restore-steps.ts';

/** One restore that is under way in this process: its signal, its progress, and its steps one after the other. */
export class RestoreRun implements RestoreWork {
  readonly id: string;
  readonly password: string | undefined;
  readonly settings: RestoreWork['settings'] = { applied: [], failed: [] };
  readonly #parts: RestoreParts;
  readonly #logs: JournalLog;
  readonly #abort = new AbortController();
  #step: RestoreStep;
  #progress: RestoreProgress | null = null;

  constructor(parts: RestoreParts, logs: JournalLog, entry: RestoreEntry, password: string | undefined) {
    this.#parts = parts;
    this.#logs = logs;
    this.id = entry.restoration.id;
    this.#step = entry.restoration.step;
    this.password = password;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  get step(): RestoreStep {
    return this.#step;
  }

  entry(): RestoreEntry {
    return this.#parts.journal.get(this.id);
  }

  say(text: string): void {
    this.#logs.write(this.id, text);
  }

  progress(progress: RestoreProgress): void {
    this.#progress = progress;
  }

  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** What the journal says, with the progress of the step that runs. */
  live(restoration: Restoration): Restoration {
    return { ...restoration, progress: this.#progress };
  }

  /** Does the steps of the journal from `from` on, but for `report`. Throws what a step throws. */
  async work(from: RestoreStep): Promise<void> {
    const { journal, faultPoint } = this.#parts;
    const steps = this.entry().restoration.steps.map(({ step }) => step);
    for (const step of steps.slice(steps.indexOf(from))) {
      // Cancel was possible until a moment ago, or base goes down.
      this.signal.throwIfAborted();
      this.#step = step;
      this.#progress = null;
      journal.beginStep(this.id, step);
      this.say(`${step} begins`);
      await faultPoint?.(`restore-${step}`, 'before');
      const outcome = await STEP_WORK[step]?.(this.#parts, this);
      await faultPoint?.(`restore-${step}`, 'after');
      journal.endStep(this.id, step, outcome ?? 'done');
      this.say(`${step}: ${outcome ?? 'done'}`);
    }
  }
}
