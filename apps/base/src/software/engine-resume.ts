/** What becomes of an installation that a crash or a restart has cut: decided from the journal and the pointers alone (I3). */
import { INSTALLATION_STEPS, type Installation, type InstallationStep } from '@bascule/protocol/api/updates.ts';
import { cause, interrupted } from './installation-errors.ts';
import type { Cause, JournalEntry } from './journal.ts';

/** What is found on the disk. */
export interface ResumeFacts {
  /** The version of base that this process is. */
  baseFolder: string | undefined;
  /** The version of the site that the pointer names. */
  siteFolder: string | undefined;
}

export type ResumeDecision =
  /** It is over: what was before is in use. */
  | { kind: 'end'; outcome: Exclude<Installation['outcome'], 'running'>; cause: Cause }
  /** The new version is in use: go on from `from`; with `done`, what that step does was done. */
  | { kind: 'go-on'; from: InstallationStep; done: boolean }
  /** This is the base that was taken back: it must end, for boot to start the old one. */
  | { kind: 'leave' };

const reached = (step: InstallationStep, mark: InstallationStep): boolean =>
  INSTALLATION_STEPS.indexOf(step) >= INSTALLATION_STEPS.indexOf(mark);

/**
 * Before `switch`: what was done is thrown away. From `switch` on the version in use decides: the new one goes on, forward; the old one means that the switch
 * was not made, or was taken back. An installation that was being undone stays undone.
 */
export function decideResume({ installation, details }: JournalEntry, facts: ResumeFacts): ResumeDecision {
  const { kind, operation, step } = installation;
  if (operation === 'download' || operation === 'trial') return { kind: 'end', outcome: 'failed', cause: interrupted(step) };
  if (kind === 'licence')
    return step === 'commit'
      ? { kind: 'go-on', from: 'commit', done: false }
      : { kind: 'end', outcome: 'rolled-back', cause: interrupted(step) };
  const inUse = kind === 'base' ? facts.baseFolder : facts.siteFolder;
  const isNew = details.toFolder !== null && inUse === details.toFolder && inUse !== details.fromFolder;
  if (details.undoing !== null)
    return kind === 'base' && isNew
      ? { kind: 'leave' }
      : { kind: 'end', outcome: endOf(details.undoing), cause: details.undoing };
  if (isNew && reached(step, 'switch')) return { kind: 'go-on', from: step, done: step === 'switch' };
  if (kind === 'base' && reached(step, 'switch')) {
    const message = `Base ${installation.toVersion} did not stay up (it was at the step ${step}); boot started the old one again.`;
    return { kind: 'end', outcome: 'rolled-back', cause: cause('BASE_DID_NOT_STAY', message) };
  }
  return { kind: 'end', outcome: 'rolled-back', cause: interrupted(step) };
}

/** How an installation ends that is given up for `why`. */
export function endOf(why: Cause): 'cancelled' | 'failed' | 'rolled-back' {
  if (why.code === 'INSTALLATION_CANCELLED') return 'cancelled';
  return why.code === 'PREFLIGHT_RED' || why.code === 'PREFLIGHT_AMBER' ? 'failed' : 'rolled-back';
}
