/** Steps at which what was done is looked at (B128, B133, B137): by the appliance first, then by a person unless everything is green and the plan runs through. */
import type { Note } from './plan-contract.ts';
import { ordered } from './step-pair.ts';
import { answered, mayServe, softwareOf, type Performed, type PlanPorts, type Task } from './plan-ports.ts';
import { DONE, refused, wait, type StepProcedure } from './step-work.ts';

/** A client may take so long to be there for a test session after a switch. */
export const CLIENT_BACK_MS = 60_000;

/** The appliance is backed up, and the backup restored on trial, before anything is installed (B40). */
export const backupProcedure: StepProcedure = {
  action: async (ports, { plan, step }) => {
    const { backup } = await answered(ports, step.party, { kind: 'backup', plan });
    if (backup?.state === 'running') return wait(`${step.on} makes a backup and restores it on trial.`);
    if (backup?.state !== 'failed') return DONE;
    const reason = backup.error ?? 'The site gave no reason.';
    return refused('failed', `${step.on}: the backup before the upgrade failed. ${reason}`, { name: step.on, reason });
  },
};

/** A standby that was tried and failed is for a person to judge: with the reason, Cancel is one click away. */
export const rehearseProcedure: StepProcedure = {
  action: async (ports, task) => {
    const outcome = await ordered(ports, task, { kind: 'rehearse' });
    if (outcome.kind === 'refused')
      return { kind: 'look', isGreen: false, notes: [{ ...outcome.note, code: 'rehearsal-failed' }] };
    if (outcome.kind !== 'done') return outcome;
    return {
      kind: 'look',
      isGreen: true,
      notes: [
        green('rehearsed', `What ${task.step.on} holds opens as a site with the new software, and its migrations apply.`, task),
      ],
    };
  },
};

export const verifyProcedure: StepProcedure = {
  action: async (ports, task) => {
    const { step, record } = task;
    const software = await softwareOf(ports, step.party);
    if (software.running !== null) return wait(`${step.on} is still installing.`);
    if (!software.isReady && task.waitedMs < CLIENT_BACK_MS) return wait(`${step.on} starts.`);
    const notes: Note[] = [];
    const side = record.sides.find(({ appliance }) => appliance === step.on);
    const isVersion =
      [side?.targetBase ?? side?.base, side?.targetSite ?? side?.site].join() === [software.base, software.site].join();
    const params = { name: step.on, base: software.base, site: software.site };
    notes.push({
      code: isVersion ? 'version-right' : 'version-wrong',
      text: `${step.on} runs base ${software.base} and site ${software.site}.`,
      params,
    });
    if (!software.isReady)
      notes.push({ code: 'not-ready', text: `The programs of ${step.on} do not work; see its log.`, params });
    let isGreen = isVersion && software.isReady;
    let measured: Performed['measured'];
    if (software.isReady && mayServe(software.role)) {
      const tried = await trySession(ports, task);
      if (tried.kind === 'wait') return tried;
      notes.push(...tried.notes);
      isGreen &&= tried.isGreen;
      measured = tried.measured;
    } else if (software.isReady)
      notes.push(green('not-serving', `${step.on} does not serve, so no session can be made there now.`, task));
    return { kind: 'look', isGreen, notes, ...(measured && { measured }) };
  },
};

type Tried = Extract<Performed, { kind: 'wait' }> | (Extract<Performed, { kind: 'look' }> & { measured?: Performed['measured'] });

/** A real session to a connected client (B128), and how far the clients are. */
async function trySession(ports: PlanPorts, task: Task): Promise<Tried> {
  const { step } = task;
  const { testSession } = await answered(ports, step.party, { kind: 'test-session' });
  const outcome = testSession?.outcome ?? 'failed';
  if (outcome !== 'passed' && task.waitedMs < CLIENT_BACK_MS)
    return { kind: 'wait', progress: { done: 0, total: null, text: 'A client is waited for, for a test session.' } };
  const { session, item = '', error = '' } = testSession ?? {};
  const texts = {
    passed: `A session to ${item} was made, recorded and ended.`,
    failed: `A test session to ${item} failed: ${error}`,
    'no-client': 'No client is connected with which a session could be tried.',
  };
  const notes: Note[] = [
    { code: `session-${outcome}`, text: texts[outcome], params: { name: step.on, session: session ?? '', item, error } },
  ];
  const { sessions } = await answered(ports, step.party, { kind: 'sessions' });
  if (sessions?.clients != null) {
    const { total, current, pending, absent, failed, other } = sessions.clients;
    notes.push({
      code: 'clients',
      text: `Of ${total} clients ${current} are current, ${pending} to go, ${failed} failed, ${other} are not upgraded by the appliance; ${absent} are away.`,
      params: { total, current, pending, absent, failed, other },
    });
  }
  return {
    kind: 'look',
    isGreen: outcome === 'passed',
    notes,
    measured: { testSession: { outcome, session: session ?? null } },
  };
}

function green(code: string, text: string, { step }: Task): Note {
  return { code, text, params: { name: step.on } };
}
