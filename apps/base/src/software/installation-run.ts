import { INSTALLATION_STEPS, type Installation, type InstallationStep, type StepState } from '@bascule/protocol/api/updates.ts';
import type { FaultPoint } from './fault-points.ts';
import type { Cause, Journal, JournalEntry, JournalNote } from './journal.ts';

type Unit = NonNullable<StepState['progress']>['unit'];

/** Rates are of the last so many milliseconds. */
const RATE_WINDOW_MS = 5_000;

/** What a step works with. */
export interface Work {
  readonly id: string;
  /** Aborted by Cancel (only before the point of no return) and when base goes down. */
  readonly signal: AbortSignal;
  /** What the journal says now. */
  entry(): JournalEntry;
  note(note: JournalNote): void;
  /** One line in the installation's log. */
  say(text: string): void;
  progress(unit: Unit, done: number, total: number | null): void;
}

/** Does one step; `skipped` when there was nothing to do. Doing it again after it was done, or half done, must be harmless. */
export type StepWork = (work: Work) => Promise<'skipped' | void>;

/** How one kind of package is installed, downloaded, tried or taken back. */
export interface Procedure {
  steps: Partial<Record<InstallationStep, StepWork>>;
  outcome: 'installed' | 'downloaded' | 'tried';
  /**
   * Brings back what was before. `handed-over`: another process ends the installation. Doing it again must be harmless.
   */
  undo(work: Work, cause: Cause): Promise<'undone' | 'handed-over'>;
}

/** The steps that `procedure` has, in order. */
export function stepsOf(procedure: Procedure): InstallationStep[] {
  return INSTALLATION_STEPS.filter((step) => procedure.steps[step] !== undefined);
}

/** One installation that is under way in this process: its signal, its progress, and its steps one after the other. */
export class InstallationRun implements Work {
  readonly id: string;
  readonly #journal: Journal;
  readonly #faultPoint: FaultPoint | undefined;
  readonly #changed: () => void;
  readonly #abort = new AbortController();
  #step: InstallationStep;
  #progress: { unit: Unit; done: number; total: number | null } | undefined;
  /** When how much was done, of the last seconds. */
  #samples: { atMs: number; done: number }[] = [];

  constructor(entry: JournalEntry, journal: Journal, faultPoint: FaultPoint | undefined, changed: () => void) {
    this.id = entry.installation.id;
    this.#step = entry.installation.step;
    this.#journal = journal;
    this.#faultPoint = faultPoint;
    this.#changed = changed;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  get step(): InstallationStep {
    return this.#step;
  }

  entry(): JournalEntry {
    return this.#journal.get(this.id);
  }

  note(note: JournalNote): void {
    this.#journal.note(this.id, note);
    this.#changed();
  }

  say(text: string): void {
    this.#journal.logs.write(this.id, text);
  }

  progress(unit: Unit, done: number, total: number | null): void {
    const nowMs = performance.now();
    this.#progress = { unit, done, total };
    this.#samples = [...this.#samples.filter(({ atMs }) => nowMs - atMs < RATE_WINDOW_MS), { atMs: nowMs, done }].slice(-100);
    this.#changed();
  }

  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  /**
   * Does the steps of `procedure` from `from` on. With `resumed`, what `from` does has been done by the process before; only its end is noted. Throws
   * what a step throws; the step at which it was is `step`.
   */
  async work(procedure: Procedure, from: InstallationStep, resumed: boolean): Promise<void> {
    for (const step of stepsOf(procedure)) {
      if (INSTALLATION_STEPS.indexOf(step) < INSTALLATION_STEPS.indexOf(from)) continue;
      // Cancel was possible only up to a moment ago, or base goes down.
      this.signal.throwIfAborted();
      await this.#do(step, procedure.steps[step] as StepWork, resumed && step === from);
    }
  }

  async #do(step: InstallationStep, work: StepWork, isDone: boolean): Promise<void> {
    this.#step = step;
    this.#progress = undefined;
    this.#samples = [];
    let outcome: 'skipped' | void = undefined;
    if (!isDone) {
      this.#journal.beginStep(this.id, step);
      this.say(`${step} begins`);
      this.#changed();
      await this.#faultPoint?.(step, 'before');
      outcome = await work(this);
    }
    await this.#faultPoint?.(step, 'after');
    this.#journal.endStep(this.id, step, outcome ?? 'done');
    this.say(`${step}: ${outcome ?? 'done'}`);
    this.#changed();
  }

  /** What the journal says, with the progress of the step that runs. */
  live(installation: Installation): Installation {
    const progress = this.#measured();
    const steps = installation.steps.map((state) =>
      state.step === this.#step && state.state === 'running' ? { ...state, progress } : state,
    );
    return { ...installation, steps };
  }

  #measured(): StepState['progress'] {
    if (this.#progress === undefined) return null;
    const { unit, done, total } = this.#progress;
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    const elapsedMs = first && last ? last.atMs - first.atMs : 0;
    const perSecond = first && last && elapsedMs > 0 ? ((last.done - first.done) * 1000) / elapsedMs : null;
    const secondsLeft = perSecond !== null && perSecond > 0 && total !== null ? Math.ceil((total - done) / perSecond) : null;
    return { unit, done, total, perSecond, secondsLeft };
  }
}
