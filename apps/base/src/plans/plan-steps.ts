/** Which steps a plan has, in which order (B121-B138): a pure function of what runs where and of what there is to install. */
import { AppError } from '@bascule/errors/app-error.ts';
import type { PlanKind, PlanStepKind } from '@bascule/protocol/api/plans.ts';
import type { PairRole } from '@bascule/protocol/api/failover.ts';
import type { CoreStep, Party } from './plan-contract.ts';

/** One package that a side is to install: at most one base and one site, so that each can be rolled back. */
export interface PlannedPackage {
  kind: 'base' | 'site';
  target: string;
  version: string;
}

/** One appliance, as far as the order of steps depends on it. */
export interface SideFacts {
  name: string;
  role: PairRole;
  base: string;
  site: string;
  /** In the order in which they have to be installed. */
  packages: PlannedPackage[];
}

/** How long each step is expected to take, in seconds. */
export type ExpectedSeconds = (kind: PlanStepKind, on: SideFacts, target: string | null) => number;

export interface PlanFacts {
  kind: PlanKind;
  /** The appliance that runs the plan; of a pair, its primary. */
  self: SideFacts;
  peer: SideFacts | undefined;
  expectedSeconds: ExpectedSeconds;
}

type Draft = Pick<CoreStep, 'kind' | 'party' | 'window' | 'undo' | 'target' | 'params'>;

/**
 * The steps of a plan. Throws why there is none: `PLAN_NOTHING_TO_INSTALL`, `PLAN_NO_PEER`, `PLAN_NOT_HERE` (made on the primary), `PLAN_IN_A_PAIR`,
 * `PLAN_DIFFERENT_TARGETS` (B143).
 */
export function layPlan({ kind, self, peer, expectedSeconds }: PlanFacts): CoreStep[] {
  const drafts = kind === 'single' ? single(self, peer) : pairSteps(kind, self, peer);
  return drafts.map((draft, index) => {
    const on = draft.party === 'self' || peer === undefined ? self : peer;
    return {
      ...draft,
      number: index + 1,
      on: on.name,
      expectedSeconds: expectedSeconds(draft.kind, on, draft.target),
      state: 'waiting',
      acted: false,
      attempt: 1,
      startedAtMs: null,
      endedAtMs: null,
      notes: [],
      progress: null,
    };
  });
}

/** How long each maintenance window is expected to take (B123), of those that the plan has. */
export function windowsOf(steps: readonly CoreStep[]): { number: 1 | 2; expectedSeconds: number }[] {
  return ([1, 2] as const).flatMap((number) => {
    const inside = steps.filter(({ window }) => window === number);
    return inside.length === 0
      ? []
      : [{ number, expectedSeconds: Math.round(inside.reduce((sum, { expectedSeconds }) => sum + expectedSeconds, 0)) }];
  });
}

function single(self: SideFacts, peer: SideFacts | undefined): Draft[] {
  if (peer !== undefined)
    throw new AppError(
      'conflict',
      'PLAN_IN_A_PAIR',
      'This appliance is one of a failover pair: choose synchronous, asynchronous or rolling, so that both are upgraded.',
    );
  if (self.packages.length === 0) throw nothing(self.name);
  return [draft('backup', 'self', 1), ...installs(self, 'self', 1), draft('verify', 'self', 1), draft('report', 'self', null)];
}

function pairSteps(kind: Exclude<PlanKind, 'single'>, self: SideFacts, peer: SideFacts | undefined): Draft[] {
  if (peer === undefined)
    throw new AppError(
      'conflict',
      'PLAN_NO_PEER',
      'There is no failover relationship: establish one under /login > Management > Failover, or choose the plan for a single appliance.',
    );
  if (self.role !== 'primary')
    throw new AppError('conflict', 'PLAN_NOT_HERE', `This appliance is not the primary: make the plan on ${peer.name}.`);
  if (self.packages.length === 0 && peer.packages.length === 0) throw nothing(`${self.name} and ${peer.name}`);
  const [after, peerAfter] = [self, peer].map(versionsAfter) as [Versions, Versions];
  if (after.base !== peerAfter.base || after.site !== peerAfter.site)
    throw new AppError(
      'conflict',
      'PLAN_DIFFERENT_TARGETS',
      `Both appliances must have the same packages afterwards: ${self.name} would have base ${after.base} and site ${after.site}, ${peer.name} base ${peerAfter.base} and site ${peerAfter.site}. Look for updates on both.`,
    );
  const orders = { synchronous, asynchronous, rolling };
  return orders[kind](self, peer);
}

/** B124-B130: the primary first, and it stays primary. */
function synchronous(self: SideFacts, peer: SideFacts): Draft[] {
  return [
    ...apart(),
    ...installs(self, 'self', 1),
    draft('verify', 'self', 1),
    ...installs(peer, 'peer', 2),
    draft('verify', 'peer', 2),
    draft('establish', 'self', 2, self.name),
    draft('compare', 'self', 2),
    draft('report', 'self', null),
  ];
}

/** B131-B138: the backup first, out of production; it takes over and stays primary. */
function asynchronous(self: SideFacts, peer: SideFacts): Draft[] {
  return [
    ...apart(),
    ...installs(peer, 'peer', 1),
    draft('rehearse', 'peer', 1),
    draft('verify', 'peer', 1),
    draft('pull-changes', 'peer', 1),
    draft('swap', 'self', 1, peer.name),
    draft('verify', 'peer', 1),
    ...installs(self, 'self', 2),
    draft('verify', 'self', 2),
    draft('establish', 'peer', 2, peer.name),
    draft('compare', 'self', 2),
    draft('report', 'self', null),
  ];
}

/** Never broken: the backup follows while it is upgraded, roles swap, and the other follows. */
function rolling(self: SideFacts, peer: SideFacts): Draft[] {
  return [
    draft('backup', 'self', 1),
    draft('sync-now', 'self', 1),
    ...installs(peer, 'peer', 1),
    draft('compare', 'self', 1),
    draft('rehearse', 'peer', 1),
    draft('verify', 'peer', 1),
    draft('swap', 'self', 1, peer.name),
    draft('verify', 'peer', 1),
    ...installs(self, 'self', 2),
    draft('migrate', 'self', 2),
    draft('compare', 'self', 2),
    draft('report', 'self', null),
  ];
}

/** B124-B126, B131. */
function apart(): Draft[] {
  return [draft('backup', 'self', 1), draft('sync-now', 'self', 1), draft('break', 'self', 1)];
}

function installs({ packages, base, site }: SideFacts, party: Party, window: 1 | 2): Draft[] {
  return packages.map(({ kind, target, version }) => ({
    ...draft(kind === 'base' ? 'install-base' : 'install-site', party, window, target),
    params: { from: kind === 'base' ? base : site, to: version },
  }));
}

const UNDO: Partial<Record<PlanStepKind, CoreStep['undo']>> = {
  break: 'taken-back',
  'install-base': 'taken-back',
  'install-site': 'taken-back',
  swap: 'taken-back',
  // From here on what both have is one again.
  establish: 'impossible',
  migrate: 'impossible',
};

function draft(kind: PlanStepKind, party: Party, window: 1 | 2 | null, target: string | null = null): Draft {
  const names: Record<string, string> = kind === 'swap' || kind === 'establish' ? { primary: target ?? '' } : {};
  return { kind, party, window, undo: UNDO[kind] ?? 'nothing', target, params: names };
}

interface Versions {
  base: string;
  site: string;
}

/** What a side has when its packages are installed. */
export function versionsAfter({ base, site, packages }: Pick<SideFacts, 'base' | 'site' | 'packages'>): Versions {
  const of = (kind: 'base' | 'site') => packages.findLast((planned) => planned.kind === kind)?.version;
  return { base: of('base') ?? base, site: of('site') ?? site };
}

function nothing(where: string): AppError {
  return new AppError(
    'conflict',
    'PLAN_NOTHING_TO_INSTALL',
    `There is nothing newer to install on ${where}. Look for updates, or bring a file, first.`,
  );
}
