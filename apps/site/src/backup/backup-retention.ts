/** Which backups of a schedule go: pure. */
import type { KeptBackup, KeptSchedule } from './backup-store.ts';

const DAY_MS = 24 * 60 * 60_000;
/** Failed attempts are of no use but to be seen. */
const FAILED_KEPT_MAX = 10;

/**
 * Of `backups` (newest first) those that `retention` lets go: of `appliance`'s scheduled ones at `destination` the restorable ones beyond `count` or older than `days`, and older failed ones. The last
 * restorable one of all never goes.
 */
export function expiredBackups(
  backups: readonly KeptBackup[],
  { retention, destination }: Pick<KeptSchedule, 'retention' | 'destination'>,
  { appliance, nowMs }: { appliance: string; nowMs: number },
): KeptBackup[] {
  const lastRestorable = backups.find(({ state }) => state === 'restorable');
  const ofSchedule = backups.filter(
    (backup) => backup.reason === 'schedule' && backup.destination === destination && backup.appliance === appliance,
  );
  const restorable = ofSchedule.filter(({ state }) => state === 'restorable');
  const { count, days } = retention;
  const tooMany = count === null ? [] : restorable.slice(count);
  const tooOld = days === null ? [] : restorable.filter(({ madeAtMs }) => madeAtMs < nowMs - days * DAY_MS);
  const failed = ofSchedule.filter(({ state }) => state === 'failed').slice(FAILED_KEPT_MAX);
  return [...new Set([...tooMany, ...tooOld, ...failed])].filter(({ id }) => id !== lastRestorable?.id);
}
