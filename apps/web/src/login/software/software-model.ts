import type { z } from 'zod';
import type {
  BackupInclude,
  BackupRecord,
  backups,
  backupSchedule,
  backupSizes,
  BackupTimes,
} from '@bascule/protocol/api/backup.ts';
import type { Tone } from '../../shared/Section.tsx';

export type Backups = z.infer<typeof backups>;
export type BackupSizes = z.infer<typeof backupSizes>;
export type BackupSchedule = z.infer<typeof backupSchedule>;
export type IncludePart = keyof BackupInclude;

/** In the order of the page. */
export const INCLUDE_PARTS: readonly IncludePart[] = ['history', 'files', 'recordings', 'boxSettings'];
export const FIRST_INCLUDE: BackupInclude = { history: true, files: true, recordings: false, boxSettings: true };

const DAY_MS = 86_400_000;
/** A backup older than this is said to be old, when anything has changed since ... */
const OLD_MS = 7 * DAY_MS;
/** ... and after this also when nothing has: what is recorded is no change of the configuration. */
const VERY_OLD_MS = 30 * DAY_MS;
const MINUTES_AN_HOUR = 60;

export type BackupStanding = 'none' | 'none-restorable' | 'failed' | 'schedule' | 'old' | 'unchanged' | 'changed';
const STANDING_TONES: Record<BackupStanding, Tone> = {
  none: 'bad',
  'none-restorable': 'bad',
  failed: 'bad',
  schedule: 'bad',
  old: 'warn',
  unchanged: 'ok',
  changed: 'ok',
};

/** How well this site is backed up: what is worst counts. A backup that failed is of yesterday when a later one is restorable. */
export function backupStanding(
  { backups: list, last, schedule }: Backups,
  nowMs: number,
): { standing: BackupStanding; tone: Tone } {
  const standing = standingOf();
  return { standing, tone: STANDING_TONES[standing] };
  function standingOf(): BackupStanding {
    if (newestEnded(list)?.state === 'failed') return 'failed';
    if (last === null) return list.length === 0 ? 'none' : 'none-restorable';
    if (schedule.problem !== null) return 'schedule';
    const ageMs = nowMs - last.atMs;
    if (ageMs > VERY_OLD_MS || (ageMs > OLD_MS && last.changesSince > 0)) return 'old';
    return last.changesSince === 0 ? 'unchanged' : 'changed';
  }
}

/** The newest that came to an end of its own. */
export function newestEnded(list: readonly BackupRecord[]): BackupRecord | undefined {
  return list.find((record) => (record.state === 'restorable' || record.state === 'failed') && !isCancelled(record));
}

/** Somebody wanted it so: nothing is wrong. */
export function isCancelled({ state, problem }: Pick<BackupRecord, 'state' | 'problem'>): boolean {
  return state === 'failed' && problem?.code === 'BACKUP_CANCELLED';
}

/** What a checkbox adds; null: the box did not answer. */
export function bytesOf(sizes: BackupSizes, part: IncludePart): number | null {
  if (part === 'history') return sizes.history;
  return part === 'boxSettings' ? sizes.boxSettings : sizes[part].bytes;
}

/** Of the whole backup before it is compressed. */
export function totalBytes(sizes: BackupSizes, include: BackupInclude): number {
  return INCLUDE_PARTS.reduce((sum, part) => sum + (include[part] ? (bytesOf(sizes, part) ?? 0) : 0), sizes.configuration);
}

/** Whether it may not fit on this appliance's disk; compressed it is smaller, so that it may fit all the same. */
export function mayNotFit(sizes: BackupSizes, include: BackupInclude): boolean {
  return totalBytes(sizes, include) > Math.max(0, sizes.freeBytes - sizes.reservedBytes);
}

/** `include` with one checkbox changed: without the history nothing would name the recordings. */
export function withPart(include: BackupInclude, part: IncludePart, isChosen: boolean): BackupInclude {
  const next = { ...include, [part]: isChosen };
  return next.history ? next : { ...next, recordings: false };
}

export function toneOfBackup(record: Pick<BackupRecord, 'state' | 'problem'>): Tone {
  if (record.state === 'restorable') return 'ok';
  return record.state === 'failed' && !isCancelled(record) ? 'bad' : 'off';
}

/** The last backup that the schedule made, or tried to make. */
export function lastOfSchedule(list: readonly BackupRecord[]): BackupRecord | undefined {
  return list.find(({ reason }) => reason === 'schedule');
}

/** `03:05` of minutes after midnight. */
export function clockOf(minute: number): string {
  return [Math.floor(minute / MINUTES_AN_HOUR), minute % MINUTES_AN_HOUR].map((part) => String(part).padStart(2, '0')).join(':');
}

/** Minutes after midnight of `03:05`; undefined for anything else. */
export function minuteOf(clock: string): number | undefined {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(clock) ?? [];
  return hours === undefined ? undefined : Number(hours) * MINUTES_AN_HOUR + Number(minutes);
}

/** When `minute` after midnight UTC is on the clock of this browser today. */
export function localInstantOf(minute: number, nowMs: number): number {
  const day = new Date(nowMs);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate(), 0, minute);
}

/** Times of another kind, with what fits of the ones before. */
export function timesOfKind(kind: BackupTimes['kind'], before: BackupTimes): BackupTimes {
  const atMinute = before.kind === 'hours' ? 3 * MINUTES_AN_HOUR : before.atMinute;
  if (kind === 'daily') return { kind, atMinute };
  return kind === 'weekly' ? { kind, weekday: 0, atMinute } : { kind, everyHours: 6 };
}
