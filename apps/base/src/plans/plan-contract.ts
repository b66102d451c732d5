/** What the parts of an upgrade plan share: its record in box.db, and what goes into and comes out of the pure core. */
import { z } from 'zod';
import { planKind, planSide, planStepKind, signedPlanReport } from '@bascule/protocol/api/plans.ts';

/** Which appliance does a step: the one that runs the plan, or the other. */
export const PARTIES = ['self', 'peer'] as const;
export const party = z.enum(PARTIES);
export type Party = z.infer<typeof party>;

/** What Cancel does about a step that was done: nothing is needed, it is taken back, or from here on there is no way back. */
export const UNDO_WAYS = ['nothing', 'taken-back', 'impossible'] as const;

/** What is done of a step, in this order; `undo` when the plan is cancelled. */
export const PARTS = ['precondition', 'action', 'check', 'undo'] as const;
export type Part = (typeof PARTS)[number];

const params = z.record(z.string(), z.union([z.string(), z.number()]));
export const note = z.object({ code: z.string(), text: z.string(), params });
export type Note = z.infer<typeof note>;

export const coreStep = z.object({
  number: z.number().int().positive(),
  kind: planStepKind,
  party,
  /** The appliance's name. */
  on: z.string(),
  window: z.union([z.literal(1), z.literal(2)]).nullable(),
  undo: z.enum(UNDO_WAYS),
  /** Of installations: the TUF target. Of a swap: who is primary afterwards. */
  target: z.string().nullable(),
  params,
  expectedSeconds: z.number().nonnegative(),
  state: z.enum(['waiting', 'ready', 'running', 'waits-for-person', 'done', 'failed', 'undone', 'skipped']),
  /** Whether its action was begun, and so may have to be taken back. */
  acted: z.boolean(),
  /** Counts what a person had tried again after it failed. */
  attempt: z.number().int().positive(),
  startedAtMs: z.number().nullable(),
  endedAtMs: z.number().nullable(),
  notes: z.array(note),
  progress: z.object({ done: z.number(), total: z.number().nullable(), text: z.string() }).nullable(),
});
export type CoreStep = z.infer<typeof coreStep>;

export const MODES = ['shown', 'running', 'paused', 'undoing', 'undo-paused', 'done', 'cancelled', 'given-up'] as const;

/** The state of the pure core: written to box.db before any effect of it is carried out. */
export const coreState = z.object({
  mode: z.enum(MODES),
  runsThrough: z.boolean(),
  pauseAsked: z.boolean(),
  /** Index of the step that is next, runs, or is being undone. */
  at: z.number().int().nonnegative(),
  /** `before`: waits for a person to go on; `person`: was done, and a person has to look at it. */
  phase: z.enum(['before', 'precondition', 'action', 'check', 'person', 'undo']),
  /** Of the performance that is awaited: an answer with another number is of an earlier life, and ignored. */
  token: z.number().int().nonnegative(),
  /** Since when the present part has not come on. */
  waitsSinceMs: z.number().nullable(),
  silentSinceMs: z.number().nullable(),
  /** Codes of amber preflight lines that somebody overruled, for all installations of the plan. */
  overrule: z.array(z.string()).max(40),
  steps: z.array(coreStep).max(40),
});
export type CoreState = z.infer<typeof coreState>;

/** What a performer says of one part of a step. */
export type Outcome =
  /** `skipped`: it was so already. */
  | { kind: 'done'; skipped?: boolean; notes?: Note[] }
  /** It is under way, or not yet so: asked again. */
  | { kind: 'wait'; progress?: NonNullable<CoreStep['progress']>; note?: Note }
  /** The one who would do it does not answer: asked again. */
  | { kind: 'silent'; note: Note }
  /** It is not possible as things are. */
  | { kind: 'refused'; note: Note }
  /** Done; a person looks at what was found, unless the plan runs through and everything is green. */
  | { kind: 'look'; isGreen: boolean; notes: Note[] };

export type Input =
  | { kind: 'run'; through: boolean; overrule: string[]; atMs: number }
  | { kind: 'confirm'; number: number; atMs: number }
  | { kind: 'pause'; atMs: number }
  | { kind: 'cancel'; atMs: number }
  | { kind: 'give-up'; atMs: number }
  | { kind: 'restarted'; atMs: number }
  | { kind: 'performed'; token: number; outcome: Outcome; atMs: number };

export type Effect =
  { kind: 'perform'; token: number; step: number; part: Part; attempt: number; afterMs: number } | { kind: 'ended' };

/** Sessions and service around the switches of a plan, as measured so far. */
export const measured = z.object({
  /** Null until something was asked. */
  withoutServiceMs: z.number().nullable(),
  sessionsBefore: z.array(z.string()).max(5000).nullable(),
  /** How many there were before the first step that could touch them. */
  sessionsAtStart: z.number().int().nullable().default(null),
  sessionsEnded: z.number().int(),
  lagAtSwitch: z.object({ changes: z.number().int(), seconds: z.number() }).nullable(),
  testSession: z.object({ outcome: z.enum(['passed', 'failed', 'no-client']), session: z.string().nullable() }).nullable(),
});
export type Measured = z.infer<typeof measured>;
export const NOTHING_MEASURED: Readonly<Measured> = {
  withoutServiceMs: null,
  sessionsBefore: null,
  sessionsAtStart: null,
  sessionsEnded: 0,
  lagAtSwitch: null,
  testSession: null,
};

/** All of a plan but its id, as box.db keeps it; later versions only add, with defaults. */
export const planRecord = z.object({
  kind: planKind,
  createdAtMs: z.number(),
  by: z.string(),
  startedAtMs: z.number().nullable(),
  endedAtMs: z.number().nullable(),
  sides: z.array(planSide).min(1).max(2),
  /** Name of the appliance that is primary while the plan is made. */
  primary: z.string(),
  windows: z
    .array(
      z.object({
        number: z.union([z.literal(1), z.literal(2)]),
        proposedAtMs: z.number().nullable(),
        expectedSeconds: z.number(),
      }),
    )
    .max(2),
  consumersByAddress: z.array(z.object({ name: z.string(), address: z.string() })).max(100),
  /** Licence agreements were accepted by this name. */
  acceptedBy: z.record(z.string(), z.string()),
  measured,
  report: signedPlanReport.nullable(),
  core: coreState,
});
export type PlanRecord = z.infer<typeof planRecord>;
