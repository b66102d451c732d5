import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Fieldset, Group, Select, Stack } from '@mantine/core';
import {
  BACKUP_PASSWORD_MAX_LENGTH,
  BACKUP_PASSWORD_MIN_LENGTH,
  changeBackupScheduleBody,
  HERE,
} from '@bascule/protocol/api/backup.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { NewPasswordFields } from '../../shared/NewPasswordFields.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { NO_PASSWORD, passwordProblem } from '../../shared/new-password.ts';
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
import classes from './software.module.css';

type PasswordChoice = 'keep' | 'new' | 'none';
const RULES = { isRequired: true, minCharacters: BACKUP_PASSWORD_MIN_LENGTH };

/** When, what, where to, with which password, and how many are kept. Only what was touched is kept apart from what is saved. */
export function ScheduleForm({ saved }: { saved: BackupSchedule }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  const sizes = useBackupSizes();
  const destinations = useBackupDestinations();
  const choices = useDestinationChoices(destinations.data);
  const [touched, setTouched] = useState<Partial<BackupSchedule>>({});
  const firstChoice: PasswordChoice = saved.hasPassword ? 'keep' : 'none';
  const [choice, setChoice] = useState<PasswordChoice>();
  const [password, setPassword] = useState(NO_PASSWORD);
  const draft = { ...saved, ...touched };
  const chosen = choice ?? firstChoice;
  const change = (part: Partial<BackupSchedule>) => setTouched({ ...touched, ...part });
  const reset = () => {
    setTouched({});
    setChoice(undefined);
    setPassword(NO_PASSWORD);
  };
  const { hasPassword: _, ...settings } = draft;
  const body = changeBackupScheduleBody.safeParse({
    ...settings,
    ...(chosen === 'new' && { password: password.password }),
    ...(chosen === 'none' && saved.hasPassword && { password: null }),
  });
  const isPasswordReady = chosen !== 'new' || passwordProblem(password, RULES) === undefined;
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved) || chosen !== firstChoice;
  const isValid = body.success && isPasswordReady;
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.backupSchedule, anyAnswer, body.data);
      await refresh();
      reset();
    },
    onSuccess: () => notifyDone(t('backup:schedule.saved')),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid && isChanged) save.mutate();
  };
  const passwords: PasswordChoice[] = saved.hasPassword ? ['keep', 'new', 'none'] : ['new', 'none'];
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
        <Group align="end" gap="sm">
          <Select
            label={t('backup:make.destination')}
            data={choices}
            value={draft.destination}
            onChange={(next) => change({ destination: next ?? HERE })}
            className={classes['field']}
          />
          <TestDestination key={draft.destination} id={draft.destination} />
        </Group>
        {draft.destination === HERE && <p className={classes['fieldNote']}>{t('backup:schedule.hereNote')}</p>}
        <IncludeFields
          include={draft.include}
          onChange={(include) => change({ include })}
          sizes={sizes.data}
          isHere={draft.destination === HERE}
        />
        <Fieldset legend={t('backup:password.label')}>
          <Select
            label={t('backup:schedule.password')}
            data={passwords.map((value) => ({ value, label: t(`backup:schedule.passwordChoice.${value}`) }))}
            value={chosen}
            onChange={(next) => setChoice(passwords.find((value) => value === next) ?? firstChoice)}
            className={classes['field']}
            mb="sm"
          />
          {chosen === 'new' && (
            <NewPasswordFields
              label={t('backup:password.label')}
              repeatLabel={t('backup:password.repeat')}
              value={password}
              onChange={setPassword}
              rules={RULES}
              maxCharacters={BACKUP_PASSWORD_MAX_LENGTH}
            />
          )}
          <PasswordMeaning hasPassword={chosen !== 'none'} />
        </Fieldset>
        <RetentionFields retention={draft.retention} onChange={(retention) => change({ retention })} />
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
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
