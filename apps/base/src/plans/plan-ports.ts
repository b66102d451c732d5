/** What the steps of a plan are carried out with: questions to both bases, orders to the own site. Tests put two appliances of their own behind it. */
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { pairRole, sideState, type PairRole } from '@bascule/protocol/api/failover.ts';
import type { BoxAnswer, BoxQuestion, PlanReport, SignedPlanReport } from '@bascule/protocol/api/plans.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import type { CoreStep, Measured, Note, Outcome, Part, Party, PlanRecord } from './plan-contract.ts';

/** What main answers to an order. */
export interface PairDone {
  outcome: 'done' | 'running' | 'failed';
  error?: string | undefined;
  result?: unknown;
}

export interface PlanPorts {
  /** Asks the base of either side. Throws `AppError` of kind `unavailable` when it cannot be asked now. */
  ask(party: Party, question: BoxQuestion): Promise<BoxAnswer>;
  /** Orders the own site's main; the same `step` again is the same order. Throws as `ask`. */
  pairDo(plan: string, step: number, order: PairOrder): Promise<PairDone>;
  /** For how long the shared name was without service so far; null: what was asked proves nothing. */
  withoutServiceMs(): number | null;
  /** What was asked for that, and who answered. */
  serviceAsked(): NonNullable<PlanReport['serviceAsked']>;
  now(): number;
}

/** One part of one step, to be done. */
export interface Task {
  plan: string;
  record: PlanRecord;
  step: CoreStep;
  part: Part;
  attempt: number;
  /** For how long this part has been under way, in milliseconds. */
  waitedMs: number;
}

/** An outcome, with what was measured on the way and the report of the last step. */
export type Performed = Outcome & { measured?: Partial<Measured>; report?: SignedPlanReport };

/** Numbers of orders to main beyond those of the steps: another attempt, and what takes a step back, are other orders. */
const ATTEMPT_FACTOR = 10_000;
export const ORDER_OFFSET = { action: 0, undo: 1_000, 'undo-pull': 2_000, sign: 3_000 } as const;

/** The number by which main knows an order again. */
export function orderNumber({ step, attempt }: Pick<Task, 'step' | 'attempt'>, what: keyof typeof ORDER_OFFSET): number {
  return attempt * ATTEMPT_FACTOR + ORDER_OFFSET[what] + step.number;
}

/** The pair as the own site sees it; of the failover page's state what plans need. */
const pairView = z.object({
  self: sideState.pick({ appliance: true, role: true, schema: true }),
  peer: z.object({ role: pairRole, schema: z.number(), appliance: z.string() }).nullable(),
  peerState: z.enum(['none', 'reachable', 'unreachable']),
  broken: z.object({ peer: z.string() }).nullable(),
  copy: z
    .object({ lagChanges: z.number(), lagSeconds: z.number(), stopped: z.object({ text: z.string() }).nullable() })
    .nullable(),
  /** While the plan keeps the two apart; sites of before do not say it. */
  apart: z.object({ lagChanges: z.number(), lagSeconds: z.number() }).optional(),
  conflict: z.object({ kind: z.string() }).nullable(),
  busy: z.object({ what: z.string(), step: z.string(), done: z.number(), total: z.number().nullable() }).nullable(),
});
export type PairView = z.infer<typeof pairView>;

/** Throws `unavailable` while the site does not say. */
export async function viewPair(ports: PlanPorts, plan: string): Promise<PairView> {
  // Each look is an order of its own: what was answered before is of no use.
  const { outcome, result, error } = await ports.pairDo(plan, 0, { kind: 'state' });
  if (outcome !== 'done') throw new AppError('unavailable', 'PAIR_STATE', error ?? 'The site does not say how the pair is.');
  const parsed = pairView.safeParse(result);
  if (parsed.success) return parsed.data;
  throw new AppError('unavailable', 'PAIR_STATE', 'The site says something of the pair that this base does not understand.');
}

export type SideSoftware = NonNullable<BoxAnswer['software']>;

/** What runs on a side. Throws as `answered`. */
export async function softwareOf(ports: PlanPorts, party: Party): Promise<SideSoftware> {
  const { software } = await answered(ports, party, { kind: 'software' });
  if (software === undefined) throw new AppError('unavailable', 'BOX_ANSWER', 'The other base gave no list of software.');
  return software;
}

/** Codes by which an answer says that the one who was asked could not be reached, or not now. */
const SILENT_CODES = /UNREACHABLE|UNAVAILABLE|SILENT|TIMEOUT|LATE|STOPPING|STARTING/;

/** The answer to a question, when it is one. Throws `AppError`: kind `unavailable` when it may help to ask again, else the reason of the other side. */
export async function answered(ports: PlanPorts, party: Party, question: BoxQuestion): Promise<BoxAnswer> {
  const answer = await ports.ask(party, question);
  if (answer.ok) return answer;
  const { code, message } = answer.error ?? { code: 'BOX_REFUSED', message: 'The other base refused without a reason.' };
  throw new AppError(SILENT_CODES.test(code) ? 'unavailable' : 'conflict', code, message);
}

/** Whether whoever has this role answers people and clients. */
export function serves(role: PairRole | null): boolean {
  return role === 'single' || role === 'primary';
}

/** As `serves`, of an appliance whose site does not say what it is: sites before the failover pair serve. */
export function mayServe(role: PairRole | null): boolean {
  return role === null || serves(role);
}

/** What a person is told when something threw. */
export function noteOf(error: unknown, on: string): Note {
  if (error instanceof AppError) {
    const code = error.kind === 'unavailable' ? 'no-answer' : 'refused';
    return { code, text: `${on}: ${error.message}`, params: { name: on, reason: error.message, code: error.code } };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return { code: 'failed', text: `${on}: ${reason}`, params: { name: on, reason } };
}
