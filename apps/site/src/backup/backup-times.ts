/** When a schedule's backups are due, in UTC: pure. */
import type { BackupTimes } from '@bascule/protocol/api/backup.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The first time after `afterMs` at which a backup is due. */
export function nextDue(times: BackupTimes, afterMs: number): number {
  if (times.kind === 'hours') return afterMs + times.everyHours * HOUR_MS;
  const midnight = Math.floor(afterMs / DAY_MS) * DAY_MS;
  let due = midnight + times.atMinute * MINUTE_MS;
  while (due <= afterMs || (times.kind === 'weekly' && new Date(due).getUTCDay() !== times.weekday)) due += DAY_MS;
  return due;
}
