/** One part of one step, carried out: the only way from the pure core to the appliances. */
import { AppError } from '@bascule/errors/app-error.ts';
import { installProcedure } from './step-install.ts';
import { pairProcedures } from './step-pair.ts';
import { reportProcedure } from './plan-report.ts';
import { backupProcedure, rehearseProcedure, verifyProcedure } from './step-verify.ts';
import { noteOf, type Performed, type PlanPorts, type Task } from './plan-ports.ts';
import { DONE, type StepProcedures } from './step-work.ts';

const PROCEDURES: StepProcedures = {
  ...pairProcedures,
  backup: backupProcedure,
  'install-base': installProcedure,
  'install-site': installProcedure,
  rehearse: rehearseProcedure,
  verify: verifyProcedure,
  report: reportProcedure,
};

/** Does `task` and says how it went; never throws. Who does not answer is `silent`, what is not possible `refused`. */
export async function perform(ports: PlanPorts, task: Task): Promise<Performed> {
  const work = PROCEDURES[task.step.kind]?.[task.part];
  try {
    return work === undefined ? DONE : await work(ports, task);
  } catch (error) {
    const note = noteOf(error, task.step.on);
    return error instanceof AppError && error.kind === 'unavailable' ? { kind: 'silent', note } : { kind: 'refused', note };
  }
}
