import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Group, Select, TextInput } from '@mantine/core';
import type { BackupTimes } from '@bascule/protocol/api/backup.ts';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { formatTimeOfDay } from '../../shared/format.ts';
import { weekdayName } from './schedule-texts.ts';
import { clockOf, localInstantOf, minuteOf, timesOfKind } from './software-model.ts';
import classes from './software.module.css';

const KINDS: readonly BackupTimes['kind'][] = ['daily', 'weekly', 'hours'];
const WEEKDAYS = [1, 2, 3, 4, 5, 6, 0];
const HOURS_LIMITS = { min: 1, max: 168 };

/** When backups are made by themselves; in UTC, as the appliance reckons, with what that is here. */
export function TimesFields({ times, onChange }: { times: BackupTimes; onChange: (times: BackupTimes) => void }) {
  const { t, i18n } = useTranslation();
  return (
    <Group align="start" gap="md">
      <Select
        label={t('backup:times.kind')}
        data={KINDS.map((value) => ({ value, label: t(`backup:times.${value}`) }))}
        value={times.kind}
        onChange={(next) => onChange(timesOfKind(KINDS.find((kind) => kind === next) ?? 'daily', times))}
        w={180}
      />
      {times.kind === 'weekly' && (
        <Select
          label={t('backup:times.weekday')}
          data={WEEKDAYS.map((day) => ({ value: String(day), label: weekdayName(day, i18n.language) }))}
          value={String(times.weekday)}
          onChange={(next) => onChange({ ...times, weekday: Number(next) })}
          w={160}
        />
      )}
      {times.kind === 'hours' ? (
        <LimitedNumberInput
          label={t('backup:times.everyHours')}
          unit="h"
          limits={HOURS_LIMITS}
          value={times.everyHours}
          onChange={(everyHours) => onChange({ ...times, everyHours })}
          wrapperClass={classes['number']}
        />
      ) : (
        <ClockField minute={times.atMinute} onChange={(atMinute) => onChange({ ...times, atMinute })} />
      )}
    </Group>
  );
}

/** What is typed stays while it is no time yet. */
function ClockField({ minute, onChange }: { minute: number; onChange: (minute: number) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState<string>();
  const shown = typed ?? clockOf(minute);
  return (
    <TextInput
      type="time"
      label={t('backup:times.at')}
      description={t('backup:times.here', { time: formatTimeOfDay(localInstantOf(minute, Date.now())) })}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      value={shown}
      error={minuteOf(shown) === undefined ? t('backup:times.wrong') : undefined}
      onChange={(event) => {
        const next = minuteOf(event.currentTarget.value);
        setTyped(next === undefined ? event.currentTarget.value : undefined);
        if (next !== undefined) onChange(next);
      }}
      w={160}
    />
  );
}
