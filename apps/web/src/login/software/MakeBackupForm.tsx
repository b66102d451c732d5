import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Select, Stack } from '@mantine/core';
import {
  backupBegun,
  BACKUP_PASSWORD_MAX_LENGTH,
  BACKUP_PASSWORD_MIN_LENGTH,
  HERE,
  type BackupProgress,
} from '@bascule/protocol/api/backup.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { NewPasswordFields } from '../../shared/NewPasswordFields.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { NO_PASSWORD, passwordProblem } from '../../shared/new-password.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useLoggedIn } from '../../shared/login-state.ts';
import { IncludeFields } from './IncludeFields.tsx';
import { PasswordMeaning } from './PasswordMeaning.tsx';
import { FIRST_INCLUDE } from './software-model.ts';
import { useBackupDestinations, useBackupSizes, useRefreshBackups } from './software-queries.ts';
import { useDestinationChoices } from './destination-choices.ts';
import classes from './software.module.css';

const RULES = { isRequired: false, minCharacters: BACKUP_PASSWORD_MIN_LENGTH };

/** Backup Settings (B37, B184-B188): what is in it, whether it has a password, where it goes, and 'Make a backup now'. */
export function MakeBackupForm({ running, onBegun }: { running: BackupProgress | null; onBegun: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const { name } = useLoggedIn();
  const refresh = useRefreshBackups();
  const sizes = useBackupSizes();
  const destinations = useBackupDestinations();
  const choices = useDestinationChoices(destinations.data);
  const [include, setInclude] = useState(FIRST_INCLUDE);
  const [password, setPassword] = useState(NO_PASSWORD);
  const [chosen, setChosen] = useState<string>(HERE);
  const destination = choices.some(({ value }) => value === chosen) ? chosen : HERE;
  const hasPassword = password.password !== '';
  const make = useMutation({
    mutationFn: async () => {
      const body = { include, destination, ...(hasPassword && { password: password.password }) };
      await api.post(apiPaths.backups, backupBegun, body);
      onBegun();
      await refresh();
    },
    onSuccess: () => {
      setPassword(NO_PASSWORD);
      notifyDone(t('backup:make.begun'));
    },
  });
  const isValid = passwordProblem(password, RULES) === undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid && running === null) make.mutate();
  };
  return (
    <Section title={t('backup:make.title')}>
      <form onSubmit={submit} className={classes['form']}>
        {/* Password managers store a password under a name. */}
        <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
        <Stack gap="md">
          <div className="b-panel">
            <NewPasswordFields
              label={t('backup:password.label')}
              repeatLabel={t('backup:password.repeat')}
              value={password}
              onChange={setPassword}
              rules={RULES}
              maxCharacters={BACKUP_PASSWORD_MAX_LENGTH}
            />
            <PasswordMeaning hasPassword={hasPassword} />
          </div>
          <IncludeFields include={include} onChange={setInclude} sizes={sizes.data} isHere={destination === HERE} />
          <FormFailure error={sizes.data === undefined ? sizes.error : null} />
          <Select
            label={t('backup:make.destination')}
            data={choices}
            value={destination}
            onChange={(next) => setChosen(next ?? HERE)}
            className={classes['field']}
          />
          <FormFailure error={make.error} />
          <Group>
            <Button type="submit" size="sm" loading={make.isPending} disabled={!isValid || running !== null}>
              {t(hasPassword ? 'backup:make.withPassword' : 'backup:make.withoutPassword')}
            </Button>
            <span className="b-quiet">{running === null ? t('backup:make.after') : t('backup:make.oneAtATime')}</span>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
