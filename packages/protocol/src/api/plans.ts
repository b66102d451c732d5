/** Box interface, below `/appliance/api/plans`: upgrades of a failover pair as plans (B121-B138), and what the bases of a pair ask each other. */
import { z } from 'zod';
import { id, instantMs, line, sha256Hex } from '../text.ts';
import { servedNames } from './certificates.ts';
import { pairRole } from './failover.ts';

/** `single`: this appliance alone. The others need a relationship. */
export const PLAN_KINDS = ['single', 'synchronous', 'asynchronous', 'rolling'] as const;
export const planKind = z.enum(PLAN_KINDS);
export type PlanKind = z.infer<typeof planKind>;

export const PLAN_STEPS = [
  'backup',
  'sync-now',
  'break',
  'install-base',
  'install-site',
  'rehearse',
  'verify',
  'pull-changes',
  'swap',
  'establish',
  'migrate',
  'compare',
  'report',
] as const;
export const planStepKind = z.enum(PLAN_STEPS);
export type PlanStepKind = z.infer<typeof planStepKind>;

export const planStep = z.object({
  number: z.number().int().positive(),
  kind: planStepKind,
  /** The appliance that does it, by name. */
  on: z.string(),
  /** 1 or 2: in which maintenance window; null: in neither. */
  window: z.union([z.literal(1), z.literal(2)]).nullable(),
  state: z.enum(['waiting', 'ready', 'running', 'waits-for-person', 'done', 'failed', 'undone', 'skipped']),
  /** What Cancel does about it: nothing is needed, it is taken back, or from here on there is no way back. */
  undo: z.enum(['nothing', 'taken-back', 'impossible']),
  expectedSeconds: z.number().nonnegative(),
  startedAtMs: instantMs.nullable(),
  endedAtMs: instantMs.nullable(),
  /** The interfaces translate `plans.step.<kind>` and so on with `params`. */
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  /** What a person is asked, or what went wrong, in English; codes `plans.note.<code>`. */
  notes: z
    .array(z.object({ code: z.string(), text: z.string(), params: z.record(z.string(), z.union([z.string(), z.number()])) }))
    .max(50),
  progress: z.object({ done: z.number(), total: z.number().nullable(), text: z.string() }).nullable(),
});
export type PlanStep = z.infer<typeof planStep>;

export const planSide = z.object({
  appliance: z.string(),
  role: pairRole,
  base: z.string(),
  site: z.string(),
  targetBase: z.string().nullable(),
  targetSite: z.string().nullable(),
});

export type PlanSide = z.infer<typeof planSide>;

/** Clients seen in the last 30 days, by how far they are: `absent` of them are not connected; `other` are not upgraded by the appliance. */
const clientCounts = z.object({
  total: z.number().int(),
  current: z.number().int(),
  pending: z.number().int(),
  absent: z.number().int(),
  failed: z.number().int().default(0),
  other: z.number().int().default(0),
});

/** The outcome, signed by the site identity of whoever is primary at the end; `npm run verify -- plan-report FILE` checks it. */
export const planReport = z.object({
  format: z.literal('bascule-plan-report/1'),
  plan: id('upgradePlan'),
  kind: planKind,
  startedAtMs: instantMs,
  endedAtMs: instantMs,
  by: z.string(),
  before: z.array(planSide).max(2),
  after: z.array(planSide).max(2),
  /**
   * Measured by the appliance that runs the plan, which asks `serviceAsked.url` each 100 ms. Null when that proves nothing: nobody ever answered, or in the end
   * only the asking appliance itself does, at an address of its own, although the other one serves.
   */
  withoutServiceMs: z.number().nullable(),
  /**
   * What was asked for it, the addresses that answered, in the order in which they first did, and how long nobody asked because base of the asking appliance was
   * being replaced while the other one served.
   */
  serviceAsked: z
    .object({ url: z.string().max(300), answeredBy: z.array(z.string().max(60)).max(20), notAskedMs: z.number().nonnegative() })
    .nullable()
    .default(null),
  sessions: z.object({ before: z.number().int(), ended: z.number().int() }),
  lagAtSwitch: z.object({ changes: z.number().int(), seconds: z.number() }).nullable(),
  clients: clientCounts,
  testSession: z.object({ outcome: z.enum(['passed', 'failed', 'no-client']), session: z.string().nullable() }),
  steps: z
    .array(z.object({ number: z.number().int(), kind: planStepKind, on: z.string(), state: z.string(), seconds: z.number() }))
    .max(40),
});
export type PlanReport = z.infer<typeof planReport>;
export const signedPlanReport = z.object({ statement: z.string(), signature: z.string(), certificate: z.string() });
export type SignedPlanReport = z.infer<typeof signedPlanReport>;

/** A package of a plan whose licence agreement somebody has to accept, by its TUF target. */
export const openAgreement = z.object({ target: z.string(), kind: z.enum(['base', 'site']), version: z.string() });
export type OpenAgreement = z.infer<typeof openAgreement>;

export const plan = z.object({
  id: id('upgradePlan'),
  kind: planKind,
  /** `failed`: a person gave it up. */
  state: z.enum(['shown', 'running', 'paused', 'waits-for-person', 'done', 'failed', 'cancelled']),
  /** The appliance that runs it, by name: only there it can be changed. */
  runner: z.string(),
  /** It was cancelled, and what it did is being taken back. */
  isUndoing: z.boolean(),
  mayCancel: z.boolean(),
  createdAtMs: instantMs,
  startedAtMs: instantMs.nullable(),
  endedAtMs: instantMs.nullable(),
  by: z.string(),
  /** Runs from step to step by itself; waits only where the guide says verify. */
  runsThrough: z.boolean(),
  sides: z.array(planSide).max(2),
  steps: z.array(planStep).max(40),
  /** Two maintenance windows (B123): when it is quiet by the sessions of the last four weeks, and how long each is expected to take. */
  windows: z
    .array(
      z.object({
        number: z.union([z.literal(1), z.literal(2)]),
        proposedAtMs: instantMs.nullable(),
        expectedSeconds: z.number(),
      }),
    )
    .max(2),
  /** Consumers that connect by IP address (B135). */
  consumersByAddress: z.array(z.object({ name: z.string(), address: z.string() })).max(100),
  report: signedPlanReport.nullable(),
  /** Before it is started: packages whose licence agreement nobody has accepted yet (B62), in the order of installation. Absent: an older base. */
  agreements: z.array(openAgreement).max(4).optional(),
});
export type Plan = z.infer<typeof plan>;

export const plansState = z.object({
  nowMs: instantMs,
  applianceName: z.string(),
  /** The plan that runs or waits, here or on the other appliance, else the newest. */
  current: plan.nullable(),
  earlier: z
    .array(z.object({ id: id('upgradePlan'), kind: planKind, state: z.string(), endedAtMs: instantMs.nullable() }))
    .max(50),
  /** Why a kind cannot be made now (`plans.unavailable.<code>`, and in English); absent: it can. */
  unavailable: z.partialRecord(
    planKind,
    z.object({ code: z.string(), text: z.string(), params: z.record(z.string(), z.union([z.string(), z.number()])) }),
  ),
});
export type PlansState = z.infer<typeof plansState>;
export const newPlan = z.strictObject({
  kind: planKind,
  /** TUF targets; absent: on each side the base and the site that are next on its upgrade path. */
  targets: z.array(line(200)).max(4).optional(),
});
/** Starts a plan, or goes on with one that is paused or waits. `overrule`: codes of amber preflight lines, on both appliances. */
export const runPlan = z.strictObject({ through: z.boolean(), overrule: z.array(line(60)).max(40).default([]) });
export const confirmStep = z.strictObject({ number: z.number().int().positive() });

// GET    plans                → plansState
// GET    plans/:id            → plan
// GET    plans/:id/report     → signedPlanReport, as a file
// POST   plans                ← newPlan → plan: shown, nothing is done yet
// POST   plans/:id/run        ← runPlan
// POST   plans/:id/confirm    ← confirmStep: a person has looked
// POST   plans/:id/pause
// POST   plans/:id/cancel     takes back what was done, where that is possible
// POST   plans/:id/give-up    ends a paused plan as it is

/** base → site → site of the peer → its base: a closed list. */
export const boxQuestion = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('software') }),
  z.object({ kind: z.literal('check-offers') }),
  z.object({
    kind: z.literal('install'),
    target: line(200),
    plan: id('upgradePlan'),
    /** The same plan and attempt is the same installation, however often it is asked for. */
    attempt: z.number().int().positive().default(1),
    overrule: z.array(line(60)).max(40),
    acceptEula: line(200).optional(),
  }),
  z.object({ kind: z.literal('installation'), id: z.string().max(100) }),
  /** To `version`, which was in use before; done already when that version is in use. */
  z.object({
    kind: z.literal('roll-back'),
    package: z.enum(['base', 'site']),
    version: line(60),
    plan: id('upgradePlan'),
    attempt: z.number().int().positive().default(1),
  }),
  z.object({ kind: z.literal('snapshot'), plan: id('upgradePlan') }),
  /** A backup of the appliance before its upgrade (B40), one for each plan; asked again until it is not `running`. */
  z.object({ kind: z.literal('backup'), plan: id('upgradePlan') }),
  z.object({ kind: z.literal('test-session') }),
  /** Who is in which session, and how far clients are: of whoever serves. */
  z.object({ kind: z.literal('sessions') }),
  z.object({ kind: z.literal('addresses') }),
  /** What is served there for each of these names (api/certificates.ts). Bases before 0.4.0 do not know it. */
  z.object({ kind: z.literal('certificates'), names: z.array(z.string().max(255)).max(200) }),
  /** The plan as its runner sees it, so that the other side's pages show it too. */
  z.object({ kind: z.literal('plan-shown'), plan: z.unknown() }),
]);
export type BoxQuestion = z.infer<typeof boxQuestion>;
export const boxAnswer = z.object({
  ok: z.boolean(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  software: z
    .object({
      base: z.string(),
      site: z.string(),
      /** What is next on its upgrade path, in the order of installation, as far as nothing has to be waited for in between. */
      installable: z
        .array(
          z.object({
            target: z.string(),
            kind: z.enum(['base', 'site', 'licence']),
            version: z.string(),
            downloaded: z.boolean(),
            sha256: sha256Hex.nullable(),
            /** Who accepted its licence agreement there; null: nobody. */
            eulaAcceptedBy: z.string().nullable().default(null),
            /** By earlier installations and trials there, in seconds; null: there were none. */
            expectedSeconds: z.number().nonnegative().nullable().default(null),
          }),
        )
        .max(200),
      /** The installation that is under way. */
      running: z.string().nullable(),
      /** Whether the programs of its site work. */
      isReady: z.boolean().default(true),
      /** As its site says; null: it does not say. */
      role: pairRole.nullable().default(null),
    })
    .optional(),
  certificates: servedNames.optional(),
  installation: z.unknown().optional(),
  /** `snapshot`: the site is too old to make backups; both databases were copied instead. */
  backup: z
    .object({
      state: z.enum(['running', 'restorable', 'failed', 'snapshot']),
      file: z.string().max(200).optional(),
      error: z.string().max(1000).optional(),
    })
    .optional(),
  id: z.string().optional(),
  testSession: z
    .object({
      outcome: z.enum(['passed', 'failed', 'no-client']),
      session: z.string().nullable(),
      /** Where it was tried, and what went wrong, for people. */
      item: z.string().max(255).optional(),
      error: z.string().max(500).optional(),
    })
    .optional(),
  sessions: z
    .object({
      running: z.array(z.string()).max(1000),
      clientsOnline: z.number().int(),
      clients: clientCounts.nullable(),
    })
    .optional(),
  addresses: z
    .array(
      z.object({ address: z.string(), prefix: z.number().int(), device: z.string(), shared: z.boolean(), held: z.boolean() }),
    )
    .max(64)
    .optional(),
});
export type BoxAnswer = z.infer<typeof boxAnswer>;
