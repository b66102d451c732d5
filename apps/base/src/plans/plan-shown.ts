/** A plan as the interfaces show it, and the other appliance's as it was shown last. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { plan as planShape, type OpenAgreement, type Plan } from '@bascule/protocol/api/plans.ts';
import type { CoreStep, PlanRecord } from './plan-contract.ts';
import { isUndoing, mayCancel, shownState } from './plan-state.ts';

/** What the peer showed is old after this: it shows its plan every few seconds. */
export const SHOWN_LIFE_MS = 10 * 60_000;

/** `agreements`: those that are open, of a plan that was not started yet. */
export function shownPlan(id: string, runner: string, record: PlanRecord, agreements: OpenAgreement[] = []): Plan {
  const { core, kind, createdAtMs, startedAtMs, endedAtMs, by, sides, windows, consumersByAddress, report } = record;
  return {
    id,
    kind,
    state: shownState(core),
    runner,
    isUndoing: isUndoing(core),
    mayCancel: mayCancel(core),
    createdAtMs,
    startedAtMs,
    endedAtMs,
    by,
    runsThrough: core.runsThrough,
    sides,
    steps: core.steps.map(shownStep),
    windows,
    consumersByAddress,
    report,
    agreements,
  };
}

function shownStep(step: CoreStep): Plan['steps'][number] {
  const { number, kind, on, window, state, undo, expectedSeconds, startedAtMs, endedAtMs, params, notes, progress } = step;
  return { number, kind, on, window, state, undo, expectedSeconds, startedAtMs, endedAtMs, params, notes, progress };
}

const kept = z.object({ plan: planShape, atMs: z.number() });

/** The plan that the other appliance runs, as it showed it last; noted in `file`, because the plan replaces this base too, and the next one has to know that it is under way. */
export class PeerPlan {
  readonly #file: string;
  readonly #now: () => number;
  #shown: { plan: Plan; atMs: number } | undefined;

  constructor(file: string, now: () => number) {
    this.#file = file;
    this.#now = now;
    this.#shown = this.#read();
  }

  /** Takes what the peer shows; gives whether it is another than before. What this version does not understand is not shown. */
  take(plan: unknown): boolean {
    const parsed = planShape.safeParse(plan);
    if (!parsed.success) return false;
    const isNew = JSON.stringify(parsed.data) !== JSON.stringify(this.#shown?.plan);
    this.#shown = { plan: parsed.data, atMs: this.#now() };
    this.#note();
    return isNew;
  }

  #note(): void {
    try {
      writeFileSync(`${this.#file}.next`, JSON.stringify(this.#shown));
      renameSync(`${this.#file}.next`, this.#file);
    } catch {
      // A full disk: the peer shows its plan again in a few seconds.
    }
  }

  #read(): { plan: Plan; atMs: number } | undefined {
    try {
      return kept.safeParse(JSON.parse(readFileSync(this.#file, 'utf8'))).data;
    } catch {
      return undefined;
    }
  }

  /** What it showed last; nothing once a plan that was at work has not been heard of for long. */
  latest(): Plan | undefined {
    const plan = this.#shown?.plan;
    return plan !== undefined && isUnderWay(plan) && !this.isUnderWay() ? undefined : plan;
  }

  /** Whether the peer is at work on it, as far as is known. */
  isUnderWay(): boolean {
    if (this.#shown === undefined || this.#now() - this.#shown.atMs > SHOWN_LIFE_MS) return false;
    return isUnderWay(this.#shown.plan);
  }
}

export function isUnderWay({ state }: Pick<Plan, 'state'>): boolean {
  return state === 'running' || state === 'paused' || state === 'waits-for-person';
}
