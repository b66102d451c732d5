import type { SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Fieldset, Group, Select, Stack } from '@mantine/core';
import { BACKUP_PASSWORD_MAX_LENGTH, HERE } from '@bascule/protocol/api/backup.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { NewPasswordFields } from '../../shared/NewPasswordFields.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { IncludeFields } from './IncludeFields.tsx';
import { PasswordMeaning } from './PasswordMeaning.tsx';
import { RetentionFields } from './RetentionFields.tsx';
import { TestDestination } from './TestDestination.tsx';
import { TimesFields } from './TimesFields.tsx';
import { useDestinationChoices } from './destination-choices.ts';
import type { BackupSchedule } from './software-model.ts';
import { useBackupDestinations, useBackupSizes, useRefreshBackups } from './software-queries.ts';
import { SCHEDULE_PASSWORD_RULES, useScheduleDraft, type PasswordChoice } from './use-schedule-draft.ts';
import classes from './software.module.css';

/** When, what, where to, with which password, and how many are kept. */
export function ScheduleForm({ saved }: { saved: BackupSchedule }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  const sizes = useBackupSizes();
  const schedule = useScheduleDraft(saved);
  const { draft, change, body, isChanged, reset } = schedule;
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.backupSchedule, anyAnswer, body);
      await refresh();
      reset();
    },
    onSuccess: () => notifyDone(t('backup:schedule.saved')),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (body !== undefined && isChanged) save.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['form']} aria-label={t('backup:schedule.title')}>
      <Stack gap="md" mt="sm">
        <Checkbox
          label={t('backup:schedule.on')}
          description={t('backup:schedule.onNote')}
          checked={draft.isOn}
          onChange={(event) => change({ isOn: event.currentTarget.checked })}
        />
        <TimesFields times={draft.times} onChange={(times) => change({ times })} />
        <DestinationFields destination={draft.destination} onChange={(destination) => change({ destination })} />
        <IncludeFields
          include={draft.include}
          onChange={(include) => change({ include })}
          sizes={sizes.data}
          isHere={draft.destination === HERE}
        />
        <PasswordFields schedule={schedule} hasOne={saved.hasPassword} />
        <RetentionFields retention={draft.retention} onChange={(retention) => change({ retention })} />
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || body === undefined}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={reset}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface DestinationFieldsProps {
  destination: BackupSchedule['destination'];
  onChange: (destination: BackupSchedule['destination']) => void;
}

function DestinationFields({ destination, onChange }: DestinationFieldsProps) {
  const { t } = useTranslation();
  const destinations = useBackupDestinations();
  const choices = useDestinationChoices(destinations.data);
  return (
    <>
      <Group align="end" gap="sm">
        <Select
          label={t('backup:make.destination')}
          data={choices}
          value={destination}
          onChange={(next) => onChange(next ?? HERE)}
          className={classes['field']}
        />
        <TestDestination key={destination} id={destination} />
      </Group>
      {destination === HERE && <p className={classes['fieldNote']}>{t('backup:schedule.hereNote')}</p>}
    </>
  );
}

function PasswordFields({ schedule, hasOne }: { schedule: ReturnType<typeof useScheduleDraft>; hasOne: boolean }) {
  const { t } = useTranslation();
  const { chosen, choose, password, setPassword } = schedule;
  const choices: PasswordChoice[] = hasOne ? ['keep', 'new', 'none'] : ['new', 'none'];
  return (
    <Fieldset legend={t('backup:password.label')}>
      <Select
        label={t('backup:schedule.password')}
        data={choices.map((value) => ({ value, label: t(`backup:schedule.passwordChoice.${value}`) }))}
        value={chosen}
        onChange={(next) => choose(choices.find((value) => value === next))}
        className={classes['field']}
        mb="sm"
      />
      {chosen === 'new' && (
        <NewPasswordFields
          label={t('backup:password.label')}
          repeatLabel={t('backup:password.repeat')}
          value={password}
          onChange={setPassword}
          rules={SCHEDULE_PASSWORD_RULES}
          maxCharacters={BACKUP_PASSWORD_MAX_LENGTH}
        />
      )}
      <PasswordMeaning hasPassword={chosen !== 'none'} />
    </Fieldset>
  );
}
