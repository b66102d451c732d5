import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { PasswordInput, Text } from '@mantine/core';
import { BACKUP_PASSWORD_MAX_LENGTH, type BackupRecord } from '@bascule/protocol/api/backup.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatMinute } from '../../shared/format.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshBackups } from './software-queries.ts';

/** Restores a backup that has a password on trial once more: the appliance does not keep the password. */
export function CheckDialog({ record, onClose }: { record: BackupRecord; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  const [password, setPassword] = useState('');
  const send = async () => {
    await api.post(apiPaths.backupAction(record.id, 'check'), anyAnswer, { password });
    await refresh();
    notifyDone(t('backup:check.begun'));
  };
  return (
    <FormDialog
      title={t('backup:check.title', { at: formatMinute(record.madeAtMs) })}
      confirm={t('backup:check.confirm')}
      onSubmit={send}
      onClose={onClose}
    >
      <Text>{t('backup:check.text')}</Text>
      <PasswordInput
        label={t('backup:password.label')}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        maxLength={BACKUP_PASSWORD_MAX_LENGTH}
        required
        withAsterisk={false}
        autoComplete="off"
        data-autofocus
        visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
      />
    </FormDialog>
  );
}
