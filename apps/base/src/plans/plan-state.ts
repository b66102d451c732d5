/** What the state of a plan says, without changing it. */
import type { CoreState, CoreStep } from './plan-contract.ts';

/** What the state shows of the whole plan; the interfaces' words. */
export function shownState(
  state: CoreState,
): 'shown' | 'running' | 'paused' | 'waits-for-person' | 'done' | 'failed' | 'cancelled' {
  if (state.mode === 'running') return state.phase === 'before' || state.phase === 'person' ? 'waits-for-person' : 'running';
  if (state.mode === 'undoing') return 'running';
  if (state.mode === 'undo-paused') return 'paused';
  return state.mode === 'given-up' ? 'failed' : state.mode;
}

export function isOver({ mode }: CoreState): boolean {
  return mode === 'done' || mode === 'cancelled' || mode === 'given-up';
}

/** Whether Cancel is possible: nothing was begun that cannot be taken back. */
export function mayCancel(state: CoreState): boolean {
  return !isOver(state) && !isUndoing(state) && state.steps.every(({ undo, acted }) => undo !== 'impossible' || !acted);
}

export function isUndoing({ mode }: CoreState): boolean {
  return mode === 'undoing' || mode === 'undo-paused';
}

/** A plan of `steps`, which nobody has started. */
export function newCore(steps: CoreStep[]): CoreState {
  return {
    mode: 'shown',
    runsThrough: false,
    pauseAsked: false,
    at: 0,
    phase: 'before',
    token: 0,
    waitsSinceMs: null,
    silentSinceMs: null,
    overrule: [],
    steps,
  };
}
