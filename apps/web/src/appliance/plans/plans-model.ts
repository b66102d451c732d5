import type { Plan, PlanKind, PlanStep } from '@bascule/protocol/api/plans.ts';

export type Tone = 'ok' | 'warn' | 'bad' | 'off';

const TONES: Record<Plan['state'], Tone> = {
  shown: 'off',
  running: 'ok',
  paused: 'warn',
  'waits-for-person': 'warn',
  done: 'ok',
  failed: 'bad',
  cancelled: 'off',
};

export function toneOf(plan: Pick<Plan, 'state' | 'steps'>): Tone {
  return plan.state === 'paused' && plan.steps.some(({ state }) => state === 'failed') ? 'bad' : TONES[plan.state];
}

/** Whether something is being done, or somebody is waited for. */
export function isUnderWay({ state }: Pick<Plan, 'state'>): boolean {
  return state === 'running' || state === 'paused' || state === 'waits-for-person';
}

export function isOver({ state }: Pick<Plan, 'state'>): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

/** What a person can do with a plan now, in the order in which it is offered. */
export type PlanAction = 'confirm' | 'run-through' | 'next-step' | 'continue' | 'pause' | 'cancel' | 'give-up';

/** Nothing on the appliance that only shows the other one's plan. */
export function actionsOf(plan: Plan, applianceName: string): PlanAction[] {
  if (plan.runner !== applianceName || isOver(plan)) return [];
  const cancel: PlanAction[] = plan.mayCancel ? ['cancel'] : [];
  switch (plan.state) {
    case 'shown':
      return ['run-through', 'next-step', ...cancel];
    case 'running':
      return plan.isUndoing ? [] : ['pause', ...cancel];
    case 'waits-for-person':
      return personStep(plan) === undefined ? ['run-through', 'next-step', ...cancel] : ['confirm', ...cancel];
    default:
      return plan.isUndoing ? ['continue', 'give-up'] : ['continue', 'next-step', ...cancel, 'give-up'];
  }
}

/** The step at which a person has to look. */
export function personStep({ steps }: Pick<Plan, 'steps'>): PlanStep | undefined {
  return steps.find(({ state }) => state === 'waits-for-person');
}

/** Codes of amber lines for which the plan is paused, to be overruled by name. */
export function amberCodes({ state, steps }: Pick<Plan, 'state' | 'steps'>): string[] {
  if (state !== 'paused') return [];
  const notes = steps.filter((step) => step.state === 'failed').flatMap((step) => step.notes);
  const codes = notes.findLast(({ code }) => code === 'amber')?.params['codes'];
  return typeof codes === 'string' && codes !== '' ? codes.split(',') : [];
}

/** What stands between steps: the beginning of a window, the interval before the second, and the point of no return. */
export interface Divider {
  kind: 'window' | 'interval' | 'no-return';
  window?: 1 | 2;
}

export function dividersBefore(steps: readonly PlanStep[], index: number): Divider[] {
  const step = steps[index];
  if (step === undefined) return [];
  const before = steps.slice(0, index);
  const dividers: Divider[] = [];
  const isFirstOfWindow = step.window !== null && !before.some(({ window }) => window === step.window);
  if (isFirstOfWindow && step.window === 2) dividers.push({ kind: 'interval' });
  if (isFirstOfWindow && step.window !== null && steps.some(({ window }) => window === 2))
    dividers.push({ kind: 'window', window: step.window });
  if (step.undo === 'impossible' && !before.some(({ undo }) => undo === 'impossible')) dividers.push({ kind: 'no-return' });
  return dividers;
}

/** The kinds in the order in which they are offered: what never breaks the relationship first, when there is one. */
export function orderedKinds(unavailable: Partial<Record<PlanKind, unknown>>): PlanKind[] {
  const kinds: PlanKind[] = ['rolling', 'asynchronous', 'synchronous', 'single'];
  return kinds.toSorted((a, b) => Number(a in unavailable) - Number(b in unavailable));
}

/** Seconds that all steps are expected to take. */
export function expectedMs(steps: readonly PlanStep[]): number {
  return steps.reduce((sum, { expectedSeconds }) => sum + expectedSeconds, 0) * 1000;
}
