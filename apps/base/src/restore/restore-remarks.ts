/** Causes and remarks of restores: a permanent code that the pages translate, and one English sentence. */
import { AppError } from '@bascule/errors/app-error.ts';
import type { RestoreRemark, RestoreStep } from '@bascule/protocol/api/restore.ts';

/** base goes down; the next one goes on. */
export class RestoreStops extends Error {}

export function remark(code: string, message: string, params: RestoreRemark['params'] = {}): RestoreRemark {
  return { code, message, params };
}

/** What ended a restore, for a person. */
export function causeOf(error: unknown, step: RestoreStep): RestoreRemark {
  if (error instanceof AppError) return remark(error.code, error.message, error.params ?? {});
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC')
    return remark('RESTORE_DISK_FULL', 'The disk of the appliance is full. Free some space, then restore again.');
  return remark('RESTORE_FAILED', `The restore failed at the step ${step}: ${message ?? String(error)}`, {
    step,
    why: message ?? String(error),
  });
}

export function interrupted(step: RestoreStep): RestoreRemark {
  return remark(
    'RESTORE_INTERRUPTED',
    `The appliance stopped during the restore, at the step ${step}. Nothing was changed: restore again.`,
    { step },
  );
}

export function cancelled(by: string): AppError {
  return new AppError('conflict', 'RESTORE_CANCELLED', `${by} cancelled the restore. Nothing was changed.`, { params: { by } });
}

export function notStarted(why: string): AppError {
  return new AppError(
    'unavailable',
    'RESTORE_SITE_NOT_STARTED',
    `The restored site did not start: ${why} What was here before is in place again.`,
    { params: { why } },
  );
}
