import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { HERE, type BackupTimes } from '@bascule/protocol/api/backup.ts';
import { clockOf } from './software-model.ts';
import { useBackupDestinations } from './software-queries.ts';

/** A Sunday; the names of the days come from the browser. */
const A_SUNDAY_MS = Date.UTC(2026, 0, 4);
const DAY_MS = 86_400_000;

/** The name of a day of the week in the person's language; 0 is Sunday. */
export function weekdayName(weekday: number, language: string): string {
  return new Intl.DateTimeFormat(language, { weekday: 'long', timeZone: 'UTC' }).format(A_SUNDAY_MS + weekday * DAY_MS);
}

/** When backups are made, in words: `every day at 03:00 UTC`. */
export function useTimesText(): (times: BackupTimes) => string {
  const { t, i18n } = useTranslation();
  return useCallback(
    (times) => {
      if (times.kind === 'hours') return t('backup:times.hoursText', { count: times.everyHours });
      const time = clockOf(times.atMinute);
      if (times.kind === 'daily') return t('backup:times.dailyText', { time });
      return t('backup:times.weeklyText', { time, day: weekdayName(times.weekday, i18n.language) });
    },
    [t, i18n.language],
  );
}

/** The name of a destination; one that is gone has none. */
export function useDestinationName(): (id: string) => string {
  const { t } = useTranslation();
  const { data } = useBackupDestinations();
  return (id) => {
    if (id === HERE) return t('backup:destination.here');
    return data?.destinations.find((one) => one.id === id)?.name ?? '–';
  };
}
