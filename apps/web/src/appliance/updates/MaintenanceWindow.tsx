import { useTranslation } from 'react-i18next';
import { Checkbox, Group, Select } from '@mantine/core';
import type { UpdateSettings } from '@bascule/protocol/api/updates.ts';

/** Monday first; 0 is Sunday. */
const DAYS = [1, 2, 3, 4, 5, 6, 0] as const;
const HOURS_A_DAY = 24;
/** A Sunday, to name the days of the week after. */
const SUNDAY_MS = Date.UTC(2026, 0, 4);
const DAY_MS = 86_400_000;
type Window = UpdateSettings['unattended'];

/** Unattended installation (B65), off until somebody wants it: on which days, from when, for how long. */
export function MaintenanceWindow({ value, onChange }: { value: Window; onChange: (next: Window) => void }) {
  const { t, i18n } = useTranslation();
  const dayName = (day: number) =>
    new Date(SUNDAY_MS + day * DAY_MS).toLocaleDateString(i18n.language, { weekday: 'short', timeZone: 'UTC' });
  const toggle = (day: number, isOn: boolean) =>
    onChange({ ...value, days: isOn ? [...value.days, day].toSorted() : value.days.filter((other) => other !== day) });
  const choices = (from: number, to: number, label: (hour: number) => string) =>
    Array.from({ length: to - from + 1 }, (_, index) => ({ value: String(from + index), label: label(from + index) }));
  return (
    <>
      <Checkbox
        label={t('updates:settings.unattendedOn')}
        description={t('updates:settings.unattendedNote')}
        checked={value.isOn}
        onChange={(event) => onChange({ ...value, isOn: event.currentTarget.checked })}
      />
      <Group gap="md" mt="sm" role="group" aria-label={t('updates:settings.days')}>
        {DAYS.map((day) => (
          <Checkbox
            key={day}
            label={dayName(day)}
            disabled={!value.isOn}
            checked={value.days.includes(day)}
            onChange={(event) => toggle(day, event.currentTarget.checked)}
          />
        ))}
      </Group>
      <Group mt="sm" align="end">
        <Select
          label={t('updates:settings.fromHour')}
          data={choices(0, HOURS_A_DAY - 1, (hour) => `${String(hour).padStart(2, '0')}:00`)}
          value={String(value.fromHour)}
          onChange={(hour) => onChange({ ...value, fromHour: Number(hour) })}
          disabled={!value.isOn}
          w={140}
        />
        <Select
          label={t('updates:settings.hours')}
          data={choices(1, HOURS_A_DAY, (hour) => t('updates:settings.hourCount', { count: hour }))}
          value={String(value.hours)}
          onChange={(hours) => onChange({ ...value, hours: Number(hours) })}
          disabled={!value.isOn}
          w={140}
        />
      </Group>
    </>
  );
}
