/** What a new plan is made from: both sides' software, what the relationship is, and how long things took before. */
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { PairRole } from '@bascule/protocol/api/failover.ts';
import type { OpenAgreement, PlanKind, PlanSide } from '@bascule/protocol/api/plans.ts';
import { NOTHING_MEASURED, type PlanRecord } from './plan-contract.ts';
import { newCore } from './plan-state.ts';
import type { PlanJournal } from './plan-journal.ts';
import { answered, softwareOf, viewPair, type PlanPorts, type SideSoftware } from './plan-ports.ts';
import { layPlan, versionsAfter, windowsOf, type ExpectedSeconds, type SideFacts } from './plan-steps.ts';
import { proposeWindows } from './quiet-hours.ts';

/** Of steps other than installations, when no plan has done them yet. */
const FIRST_SECONDS: Readonly<Record<string, number>> = {
  backup: 10,
  'sync-now': 15,
  break: 5,
  rehearse: 60,
  verify: 30,
  'pull-changes': 15,
  swap: 5,
  establish: 60,
  migrate: 10,
  compare: 30,
  report: 5,
};
const FIRST_INSTALLATION_SECONDS = 180;
/** Earlier plans that are looked at. */
const EARLIER_PLANS_MAX = 5;

export interface FactsOptions {
  kind: PlanKind;
  targets: string[] | undefined;
  applianceName: string;
  ports: PlanPorts;
  journal: PlanJournal;
  /** The id that the plan will have. */
  plan: string;
  by: string;
  consumersByAddress: PlanRecord['consumersByAddress'];
  nowMs: number;
}

/** A plan that nobody has started. Throws why there can be none: `PLAN_*`, `SITE_UNAVAILABLE`, what the peer answers. */
export async function newRecord(options: FactsOptions): Promise<PlanRecord> {
  const { kind, ports, nowMs, applianceName, by, consumersByAddress } = options;
  const own = await softwareOf(ports, 'self');
  const peerName = await nameOfPeer(options, own);
  const peer = peerName === undefined ? undefined : await peerSoftware(ports, own);
  const self = factsOf(applianceName, own, 'single', options.targets);
  const other = peer === undefined || peerName === undefined ? undefined : factsOf(peerName, peer, 'backup', options.targets);
  const steps = layPlan({
    kind,
    self,
    peer: other,
    expectedSeconds: expectations(options.journal, [own, ...(peer ? [peer] : [])]),
  });
  const windows = windowsOf(steps);
  const hours = await sessionsByHour(ports, options.plan);
  const proposed = proposeWindows(
    hours,
    windows.map(({ expectedSeconds }) => expectedSeconds),
    nowMs,
  );
  return {
    kind,
    createdAtMs: nowMs,
    by,
    startedAtMs: null,
    endedAtMs: null,
    sides: [self, ...(other === undefined ? [] : [other])].map(sideOf),
    primary: self.name,
    windows: windows.map((window, index) => ({ ...window, proposedAtMs: proposed[index] ?? null })),
    consumersByAddress,
    acceptedBy: acceptedBy(own, peer),
    measured: { ...NOTHING_MEASURED },
    report: null,
    core: newCore(steps),
  };
}

/** Who accepted which agreement, on either side: one person's yes is taken to the other appliance, by name. */
export function acceptedBy(...sides: (Pick<SideSoftware, 'installable'> | undefined)[]): Record<string, string> {
  const accepted: Record<string, string> = {};
  for (const { target, eulaAcceptedBy } of sides.flatMap((side) => side?.installable ?? []))
    if (eulaAcceptedBy !== null) accepted[target] = eulaAcceptedBy;
  return accepted;
}

/** Packages that the plan installs and whose licence agreement nobody has accepted: neither when it was made, nor of `own` software by now. */
export function openAgreements(record: PlanRecord, own: Pick<SideSoftware, 'installable'>): OpenAgreement[] {
  const accepted = { ...record.acceptedBy, ...acceptedBy(own) };
  const open = new Map<string, OpenAgreement>();
  for (const { kind, target, params } of record.core.steps) {
    const installed = kind === 'install-base' ? 'base' : kind === 'install-site' ? 'site' : undefined;
    if (installed === undefined || target === null || accepted[target] !== undefined) continue;
    open.set(target, { target, kind: installed, version: String(params['to'] ?? '') });
  }
  return [...open.values()];
}

async function nameOfPeer({ ports, plan }: FactsOptions, { role }: SideSoftware): Promise<string | undefined> {
  // A site before the failover pair has none, and would not answer.
  if (role === null) return undefined;
  const { peer, broken } = await viewPair(ports, plan);
  if (broken !== null && peer === null)
    throw new AppError(
      'conflict',
      'PLAN_BROKEN',
      `The relationship with ${broken.peer} is broken: establish it again under Management > Failover first.`,
    );
  return peer?.appliance;
}

/** What the peer could install; when it knows less than this side, it looks for updates first. */
async function peerSoftware(ports: PlanPorts, own: SideSoftware): Promise<SideSoftware> {
  const software = await softwareOf(ports, 'peer');
  const knows = (target: string) => software.installable.some((offer) => offer.target === target);
  if (own.installable.every(({ target }) => knows(target))) return software;
  const checked = await answered(ports, 'peer', { kind: 'check-offers' }).catch((error: unknown) => {
    // Without a look it may have the same all the same; if not, the plan says what is missing.
    if (error instanceof AppError) return undefined;
    throw error;
  });
  return checked?.software ?? software;
}

function factsOf(name: string, software: SideSoftware, role: PairRole, targets: string[] | undefined): SideFacts {
  return {
    name,
    role: software.role ?? role,
    base: software.base,
    site: software.site,
    packages: software.installable.flatMap(({ kind, target, version }) =>
      kind === 'licence' || (targets !== undefined && !targets.includes(target)) ? [] : [{ kind, target, version }],
    ),
  };
}

function sideOf(side: SideFacts): PlanSide {
  const { name, role, base, site } = side;
  const after = versionsAfter(side);
  return { appliance: name, role, base, site, targetBase: after.base, targetSite: after.site };
}

/** By earlier installations and trials of that side, and by what the steps of earlier plans took. */
function expectations(journal: PlanJournal, sides: SideSoftware[]): ExpectedSeconds {
  const earlier = journal
    .ended()
    .slice(0, EARLIER_PLANS_MAX)
    .flatMap(({ id }) => journal.get(id)?.record.core.steps ?? [])
    .filter(({ state }) => state === 'done');
  return (kind, _on, target) => {
    if (target !== null && kind.startsWith('install-')) {
      const known = sides.flatMap(({ installable }) => installable).find((offer) => offer.target === target)?.expectedSeconds;
      return Math.round(known ?? FIRST_INSTALLATION_SECONDS);
    }
    const times = earlier
      .filter((step) => step.kind === kind && step.startedAtMs !== null && step.endedAtMs !== null)
      .map(({ startedAtMs, endedAtMs }) => ((endedAtMs ?? 0) - (startedAtMs ?? 0)) / 1000);
    // A person's lunch is in the time of a verification.
    if (times.length === 0 || kind === 'verify') return FIRST_SECONDS[kind] ?? 0;
    return Math.round(times.reduce((sum, seconds) => sum + seconds, 0) / times.length);
  };
}

const hoursResult = z.object({ sessionsByHour: z.array(z.number()) });
async function sessionsByHour(ports: PlanPorts, plan: string): Promise<number[] | undefined> {
  try {
    const { result } = await ports.pairDo(plan, 0, { kind: 'quiet-hours' });
    return hoursResult.safeParse(result).data?.sessionsByHour;
  } catch {
    // A site that does not say: then no hours are proposed.
    return undefined;
  }
}
