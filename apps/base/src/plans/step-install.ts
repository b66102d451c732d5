/** Steps that install a package on either side, by its own engine, which goes back by itself when the new version is not well (I3). */
import { installation as installationShape, type Installation } from '@bascule/protocol/api/updates.ts';
import type { BoxAnswer } from '@bascule/protocol/api/plans.ts';
import { measureBefore, measureSessions } from './step-measure.ts';
import { answered, softwareOf, type Performed, type PlanPorts, type Task } from './plan-ports.ts';
import { DONE, refused, wait, type StepProcedure } from './step-work.ts';

/** After its installation a side may be starting for so long until that is called a fault. */
export const READY_LIMIT_MS = 5 * 60_000;

export const installProcedure: StepProcedure = {
  async precondition(ports, task) {
    const { step, record } = task;
    const software = await softwareOf(ports, step.party);
    if (versionIn(software, task) === step.params['to']) return DONE;
    if (software.running !== null) return wait(`${step.on} is installing something else.`);
    const offer = software.installable.find(({ target }) => target === step.target);
    // As people know it, not the name of a file.
    const named = { name: step.on, target: `${packageOf(task)} ${step.params['to'] ?? ''}` };
    if (offer === undefined)
      return refused(
        'not-offered',
        `${step.on} cannot install ${named.target} now: look for updates there, and see what its Updates page says.`,
        named,
      );
    if (offer.eulaAcceptedBy === null && record.acceptedBy[step.target ?? ''] === undefined)
      return refused('agreement', `Nobody has accepted the licence agreement of ${named.target} yet.`, named);
    return { ...DONE, measured: await measureBefore(ports, task) };
  },

  async action(ports, task) {
    const { step, record, plan, attempt } = task;
    const answer = await answered(ports, step.party, {
      kind: 'install',
      target: step.target ?? '',
      plan,
      attempt,
      overrule: record.core.overrule,
      acceptEula: record.acceptedBy[step.target ?? ''],
    });
    return await outcomeOf(ports, task, answer);
  },

  async check(ports, task) {
    const software = await softwareOf(ports, task.step.party);
    if (versionIn(software, task) !== task.step.params['to'])
      return refused(
        'other-version',
        `${task.step.on} runs ${versionIn(software, task)} and not ${task.step.params['to'] ?? ''}.`,
        {
          name: task.step.on,
          version: versionIn(software, task),
        },
      );
    if (!software.isReady) return notReady(task);
    return await measureSessions(ports, task);
  },

  async undo(ports, task) {
    const { step, plan, attempt } = task;
    const software = await softwareOf(ports, step.party);
    if (software.running === null && versionIn(software, task) === step.params['from'])
      return software.isReady ? DONE : notReady(task);
    const answer = await answered(ports, step.party, {
      kind: 'roll-back',
      package: packageOf(task),
      version: String(step.params['from'] ?? ''),
      plan,
      attempt,
    });
    const outcome = await outcomeOf(ports, task, answer);
    // Only the version that is in use says that it was taken back.
    return outcome.kind === 'done' ? wait(`${step.on} goes back.`) : outcome;
  },
};

/** How the installation is that was asked for; without an id there was nothing to do. */
async function outcomeOf(ports: PlanPorts, { step }: Task, { id }: BoxAnswer): Promise<Performed> {
  if (id === undefined) return DONE;
  const { installation } = await answered(ports, step.party, { kind: 'installation', id });
  const found = installationShape.safeParse(installation);
  if (!found.success)
    return refused('failed', `${step.on} knows nothing of the installation ${id}.`, { name: step.on, reason: id });
  const { outcome, cause, preflight } = found.data;
  if (outcome === 'running') return { kind: 'wait', progress: progressOf(found.data) };
  if (outcome === 'installed') return DONE;
  const amber = preflight.filter((line) => line.outcome === 'amber' && line.overruledBy === null).map(({ code }) => code);
  const reason = [cause?.message, cause?.advice].filter(Boolean).join(' ');
  if (cause?.code === 'PREFLIGHT_AMBER')
    return refused('amber', `${step.on}: ${cause.message}`, { name: step.on, codes: amber.join(','), reason: cause.message });
  return refused('not-installed', `${step.on} did not install it (${outcome}). ${reason}`, { name: step.on, outcome, reason });
}

function progressOf({ step, steps }: Installation): { done: number; total: number | null; text: string } {
  const shown = steps.filter(({ state }) => state !== 'skipped');
  const index = shown.findIndex((candidate) => candidate.step === step);
  return { done: Math.max(0, index), total: shown.length, text: step };
}

function notReady({ step, waitedMs }: Task): Performed {
  if (waitedMs <= READY_LIMIT_MS) return wait(`${step.on} starts.`);
  return refused('not-ready', `The programs of ${step.on} do not work; see its log.`, { name: step.on });
}

function packageOf({ step }: Task): 'base' | 'site' {
  return step.kind === 'install-base' ? 'base' : 'site';
}

function versionIn(software: { base: string; site: string }, task: Task): string {
  return software[packageOf(task)];
}
