/** What each kind of step brings: its precondition, action, check and undo. Each of them may be done again at any time, after any cut. */
import type { PlanStepKind } from '@bascule/protocol/api/plans.ts';
import type { PlanPorts, Performed, Task } from './plan-ports.ts';

export type StepWork = (ports: PlanPorts, task: Task) => Promise<Performed>;
export interface StepProcedure {
  precondition?: StepWork;
  action: StepWork;
  check?: StepWork;
  undo?: StepWork;
}
export type StepProcedures = Partial<Record<PlanStepKind, StepProcedure>>;

export const DONE: Performed = { kind: 'done' };

export function refused(code: string, text: string, params: Record<string, string | number> = {}): Performed {
  return { kind: 'refused', note: { code, text, params } };
}

/** Asked again; `text` stands beside the step meanwhile. */
export function wait(text: string, done = 0, total: number | null = null): Performed {
  return { kind: 'wait', progress: { done, total, text } };
}
