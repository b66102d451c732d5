/**
 * The pure core of upgrade plans: (state, input) → (state, effects), without clock, disk or network. Whoever runs it writes the new state down, then carries out
 * the effects; after a crash it puts in `restarted`, and what may or may not have been done is asked for again (every part of a step is idempotent).
 */
import { AppError } from '@bascule/errors/app-error.ts';
import type { CoreState, CoreStep, Effect, Input, Note, Outcome, Part } from './plan-contract.ts';
import { isOver, isUndoing, mayCancel } from './plan-state.ts';

/** Between two looks at what is under way. */
export const LOOK_AGAIN_MS = 1_000;
/** Between two attempts to reach one who does not answer. */
export const ASK_AGAIN_MS = 2_000;
/** A base that is replaced is away for up to three minutes; one that is silent for longer needs a person. */
export const SILENT_LIMIT_MS = 5 * 60_000;
/** So long a part of a step may be under way, by kind; a first copy of terabytes takes a night. */
export const WAIT_LIMITS_MS: Readonly<Partial<Record<CoreStep['kind'], number>>> = {
  'sync-now': 24 * 3_600_000,
  'pull-changes': 12 * 3_600_000,
  establish: 24 * 3_600_000,
  compare: 6 * 3_600_000,
  'install-base': 6 * 3_600_000,
  'install-site': 6 * 3_600_000,
};
export const WAIT_LIMIT_MS = 30 * 60_000;
/** Notes of a step that are kept. */
const NOTES_MAX = 50;

export interface Step {
  state: CoreState;
  effects: Effect[];
}

/**
 * Takes `input`. What a person may not do now throws an `AppError` (`PLAN_OVER`, `PLAN_NOT_WAITING`, `PLAN_NO_WAY_BACK`, `PLAN_RUNS`), and changes nothing;
 * `state` itself is never changed.
 */
export function step(state: CoreState, input: Input): Step {
  const draft = new Draft(structuredClone(state), input.atMs);
  switch (input.kind) {
    case 'run':
      return draft.run(input.through, input.overrule);
    case 'confirm':
      return draft.confirm(input.number);
    case 'pause':
      return draft.pause();
    case 'cancel':
      return draft.cancel();
    case 'give-up':
      return draft.giveUp();
    case 'restarted':
      return draft.restarted();
    case 'performed':
      return draft.performed(input.token, input.outcome);
  }
}

/** One input being taken: `state` is a copy. */
class Draft {
  readonly #state: CoreState;
  readonly #atMs: number;
  readonly #effects: Effect[] = [];

  constructor(state: CoreState, atMs: number) {
    this.#state = state;
    this.#atMs = atMs;
  }

  run(through: boolean, overrule: string[]): Step {
    const state = this.#state;
    this.#refuseWhenOver();
    if (state.phase === 'person' && state.mode === 'running') throw waitsForConfirmation(this.#current);
    if (state.mode === 'running' && state.phase !== 'before') {
      // Already going: only how it goes on is another.
      state.runsThrough = through;
      state.pauseAsked = false;
      return this.#end();
    }
    if (state.mode === 'undoing') throw runs('The plan is being taken back; it stops by itself when that is done.');
    state.overrule = [...new Set([...state.overrule, ...overrule])];
    if (state.mode === 'undo-paused') {
      state.mode = 'undoing';
      this.#perform('undo', 0);
      return this.#end();
    }
    const isPausedWithin = state.mode === 'paused' && state.phase !== 'before';
    state.mode = 'running';
    state.runsThrough = through;
    state.pauseAsked = false;
    if (!isPausedWithin) this.#begin();
    else if (state.phase === 'person') this.#waitForPerson();
    else this.#tryAgain();
    return this.#end();
  }

  confirm(number: number): Step {
    const state = this.#state;
    this.#refuseWhenOver();
    const current = this.#current;
    if (state.mode !== 'running' || state.phase !== 'person' || current.number !== number)
      throw new AppError('conflict', 'PLAN_NOT_WAITING', `The plan does not wait at step ${number}; reload the page.`);
    this.#done();
    return this.#end();
  }

  pause(): Step {
    const state = this.#state;
    this.#refuseWhenOver();
    if (state.mode !== 'running') throw runs('The plan is not running, so there is nothing to pause.');
    if (state.phase === 'before' || state.phase === 'person' || state.phase === 'precondition' || state.silentSinceMs !== null)
      this.#stop('paused');
    else state.pauseAsked = true;
    return this.#end();
  }

  cancel(): Step {
    const state = this.#state;
    this.#refuseWhenOver();
    if (isUndoing(state)) throw runs('The plan is being taken back already.');
    if (!mayCancel(state))
      throw new AppError(
        'conflict',
        'PLAN_NO_WAY_BACK',
        'This plan cannot be cancelled any more: a step was begun that cannot be taken back. Continue it, or give it up and end it by hand.',
      );
    state.pauseAsked = false;
    if (state.mode === 'shown') {
      state.mode = 'cancelled';
      this.#effects.push({ kind: 'ended' });
      return this.#end();
    }
    state.mode = 'undoing';
    this.#undoFrom(state.at);
    return this.#end();
  }

  giveUp(): Step {
    const state = this.#state;
    this.#refuseWhenOver();
    if (state.mode !== 'paused' && state.mode !== 'undo-paused')
      throw runs('Only a plan that is paused can be given up: pause it first.');
    state.mode = 'given-up';
    state.token++;
    this.#effects.push({ kind: 'ended' });
    return this.#end();
  }

  restarted(): Step {
    const state = this.#state;
    // Whoever was silent is given the whole time again: this side was away itself.
    state.silentSinceMs = null;
    if (state.mode === 'undoing') this.#perform('undo', 0);
    else if (state.mode === 'running' && state.phase !== 'before' && state.phase !== 'person') this.#perform(state.phase, 0);
    return this.#end();
  }

  performed(token: number, outcome: Outcome): Step {
    const state = this.#state;
    const isAwaited = token === state.token && (state.mode === 'running' || state.mode === 'undoing');
    if (!isAwaited || state.phase === 'before' || state.phase === 'person') return this.#end();
    const part = state.phase;
    if (outcome.kind !== 'silent') state.silentSinceMs = null;
    switch (outcome.kind) {
      case 'done':
        this.#note(outcome.notes ?? []);
        if (outcome.skipped === true && part === 'action') this.#current.state = 'skipped';
        this.#partDone(part);
        break;
      case 'look':
        this.#note(outcome.notes);
        if (outcome.isGreen && state.runsThrough) this.#partDone(part);
        else this.#waitForPerson();
        break;
      case 'wait':
        this.#wait(part, outcome);
        break;
      case 'silent':
        this.#silent(part, outcome.note);
        break;
      case 'refused':
        this.#note([outcome.note]);
        this.#refused(part);
        break;
    }
    return this.#end();
  }

  get #current(): CoreStep {
    const { steps, at } = this.#state;
    const current = steps[at];
    if (current === undefined) throw new Error('bug: a plan without a present step');
    return current;
  }

  /** Begins the present step. */
  #begin(): void {
    const current = this.#current;
    current.state = 'ready';
    this.#perform('precondition', 0);
  }

  #tryAgain(): void {
    const current = this.#current;
    const { phase } = this.#state;
    if (current.state === 'failed') {
      // Anew from its precondition: what was so when it was begun may be otherwise by now.
      current.attempt++;
      current.state = 'ready';
      current.notes = [];
      this.#perform('precondition', 0);
    } else this.#perform(phase === 'action' || phase === 'check' ? phase : 'precondition', 0);
  }

  #partDone(part: Part): void {
    const current = this.#current;
    this.#state.waitsSinceMs = null;
    if (part === 'precondition') {
      current.state = 'running';
      current.acted = true;
      current.startedAtMs ??= this.#atMs;
      this.#perform('action', 0);
    } else if (part === 'action') this.#perform('check', 0);
    else if (part === 'check') this.#done();
    else this.#undone();
  }

  /** The present step is done: the next one, in the way that was asked for. */
  #done(): void {
    const state = this.#state;
    const current = this.#current;
    if (current.state !== 'skipped') current.state = 'done';
    current.endedAtMs = this.#atMs;
    current.progress = null;
    state.waitsSinceMs = null;
    if (state.at === state.steps.length - 1) {
      state.mode = 'done';
      state.token++;
      this.#effects.push({ kind: 'ended' });
      return;
    }
    state.at++;
    const isLast = this.#current.kind === 'report';
    if (state.pauseAsked) {
      this.#current.state = 'ready';
      this.#stop('paused', 'before');
    } else if (state.runsThrough || isLast) this.#begin();
    else {
      this.#current.state = 'ready';
      state.phase = 'before';
      state.token++;
    }
  }

  #waitForPerson(): void {
    const current = this.#current;
    current.state = 'waits-for-person';
    current.progress = null;
    this.#state.phase = 'person';
    this.#state.waitsSinceMs = null;
    this.#state.token++;
  }

  #wait(part: Part, { progress, note }: Extract<Outcome, { kind: 'wait' }>): void {
    const state = this.#state;
    const current = this.#current;
    current.progress = progress ?? current.progress;
    state.waitsSinceMs ??= this.#atMs;
    const limitMs = WAIT_LIMITS_MS[current.kind] ?? WAIT_LIMIT_MS;
    if (this.#atMs - state.waitsSinceMs > limitMs) {
      this.#note([
        note ?? {
          code: 'too-long',
          text: `This takes longer than ${Math.round(limitMs / 60_000)} min.`,
          params: { minutes: Math.round(limitMs / 60_000) },
        },
      ]);
      this.#refused(part);
    } else this.#perform(part, LOOK_AGAIN_MS);
  }

  #silent(part: Part, note: Note): void {
    const state = this.#state;
    state.silentSinceMs ??= this.#atMs;
    if (state.pauseAsked || this.#atMs - state.silentSinceMs > SILENT_LIMIT_MS) {
      this.#note([note]);
      this.#stop(state.mode === 'undoing' ? 'undo-paused' : 'paused');
    } else this.#perform(part, ASK_AGAIN_MS);
  }

  #refused(part: Part): void {
    const current = this.#current;
    if (part === 'undo') return this.#stop('undo-paused');
    if (part !== 'precondition') current.state = 'failed';
    this.#stop('paused');
  }

  /** Stops going on by itself; nothing is ended. */
  #stop(mode: 'paused' | 'undo-paused', phase: CoreState['phase'] = this.#state.phase): void {
    const state = this.#state;
    state.mode = mode;
    state.phase = phase;
    state.pauseAsked = false;
    state.waitsSinceMs = null;
    state.silentSinceMs = null;
    state.token++;
  }

  /** Takes back from the step at `index` down what has to be. */
  #undoFrom(index: number): void {
    const state = this.#state;
    state.waitsSinceMs = null;
    state.silentSinceMs = null;
    for (let at = index; at >= 0; at--) {
      const candidate = state.steps[at] as CoreStep;
      if (candidate.acted && candidate.undo === 'taken-back') {
        state.at = at;
        candidate.state = 'running';
        this.#perform('undo', 0);
        return;
      }
      if (candidate.state !== 'done' && candidate.state !== 'skipped') {
        candidate.state = candidate.acted ? 'undone' : 'waiting';
        candidate.progress = null;
      }
    }
    state.at = 0;
    state.mode = 'cancelled';
    state.token++;
    this.#effects.push({ kind: 'ended' });
  }

  #undone(): void {
    const { at } = this.#state;
    const current = this.#current;
    current.state = 'undone';
    current.acted = false;
    current.endedAtMs = this.#atMs;
    current.progress = null;
    this.#undoFrom(at - 1);
  }

  #perform(part: Part, afterMs: number): void {
    const state = this.#state;
    const { number, attempt } = this.#current;
    if (state.phase !== part) state.waitsSinceMs = null;
    state.phase = part;
    state.token++;
    this.#effects.push({ kind: 'perform', token: state.token, step: number, part, attempt, afterMs });
  }

  #note(notes: Note[]): void {
    const current = this.#current;
    // The same again, of an attempt after a restart, is told once.
    for (const note of notes)
      current.notes = [...current.notes.filter(({ code, text }) => code !== note.code || text !== note.text), note].slice(
        -NOTES_MAX,
      );
  }

  #refuseWhenOver(): void {
    if (isOver(this.#state)) throw new AppError('conflict', 'PLAN_OVER', 'This plan has ended; make a new one.');
  }

  #end(): Step {
    return { state: this.#state, effects: this.#effects };
  }
}

function runs(message: string): AppError {
  return new AppError('conflict', 'PLAN_RUNS', message);
}

function waitsForConfirmation({ number }: CoreStep): AppError {
  return new AppError(
    'conflict',
    'PLAN_NOT_WAITING',
    `The plan waits for a person at step ${number}: look at what was found there, and confirm it.`,
  );
}
