/** What is looked at before a restore begins. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { RestorePreview, RestoreRemark } from '@bascule/protocol/api/restore.ts';
import type { Unpacked } from '@bascule/protocol/restore-program.ts';
import type { PairState } from '../site-host/site-host.ts';
import { remark } from './restore-remarks.ts';

/** Throws `RESTORE_CONFIRM` unless the name of this appliance was typed. */
export function checkConfirm(typed: string, applianceName: string): void {
  if (typed === applianceName) return;
  throw new AppError('invalid', 'RESTORE_CONFIRM', `Type the name of this appliance, '${applianceName}', to confirm.`, {
    field: 'body.confirm',
    params: { name: applianceName },
  });
}

/** Throws `RESTORE_SETTINGS_MANY`: nobody applies what nobody could read before. `hiddenLines`: of the settings of the box. */
export function checkSettingsShown(hiddenLines: number): void {
  if (hiddenLines === 0) return;
  throw new AppError('conflict', 'RESTORE_SETTINGS_MANY', settingsMany(hiddenLines).message, { params: { more: hiddenLines } });
}

export function settingsMany(hiddenLines: number): RestoreRemark {
  return remark(
    'BOX_SETTINGS_MANY',
    `The settings of the appliance in the backup change more than can be shown before: ${hiddenLines} lines are missing or cut. Restore without them.`,
    { more: hiddenLines },
  );
}

/** Throws `RESTORE_CHANGED`: by the command line the file may be another user's of this machine, who puts another one in its place. */
export function checkSame(looked: Unpacked | null, found: Unpacked): void {
  if (looked?.id === found.id && looked.madeAtMs === found.madeAtMs && looked.mark === found.mark) return;
  throw new AppError(
    'conflict',
    'RESTORE_CHANGED',
    'The file is not the one that was looked into any more. Nothing was changed here: look into it again.',
  );
}

export function onBackup(peer: string): RestoreRemark {
  return remark(
    'RESTORE_ON_BACKUP',
    `This appliance is the backup of ${peer}: restore there, or break off the relationship first.`,
    { peer },
  );
}

/**
 * Whether a relationship is to be broken off first (docs/decisions/0293): by what main says now, and by what was found beside the database when main does not work. Throws `RESTORE_ON_BACKUP`, and
 * `RESTORE_IN_PAIR` when that was not confirmed.
 */
export function breaksPair({ pair }: RestorePreview, state: PairState | undefined, isConfirmed: boolean): boolean {
  const role = state?.role ?? pair?.role;
  const peer = state?.peer?.name ?? pair?.peer ?? '';
  if (role === 'backup') throw new AppError('conflict', 'RESTORE_ON_BACKUP', onBackup(peer).message, { params: { peer } });
  if (role !== 'primary') return false;
  if (!isConfirmed)
    throw new AppError(
      'conflict',
      'RESTORE_IN_PAIR',
      `This appliance is the primary of a failover pair with ${peer}: the relationship is broken off first, and has to be established again afterwards. Confirm that.`,
      { params: { peer } },
    );
  return true;
}

/** The folder of `archive` that takes in what is replaced, below the folder of the site; none of that name is there. */
export function newArchive(archive: string, reason: 'restored' | 'undone', nowMs: number): string {
  const name = `${new Date(nowMs).toISOString().replaceAll(':', '').slice(0, 17)}Z-${reason}`;
  for (let count = 1; ; count += 1) {
    const folder = count === 1 ? name : `${name}-${count}`;
    if (!existsSync(join(archive, folder))) return join(basename(archive), folder);
  }
}
