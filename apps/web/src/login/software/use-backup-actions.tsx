import { useCallback, useMemo, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { BackupRecord } from '@bascule/protocol/api/backup.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatMinute } from '../../shared/format.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import type { Backups } from './software-model.ts';
import { useRefreshBackups } from './software-queries.ts';

/** Deleting is asked first: nothing brings a file back. A check of a backup with a password asks for it (`askPassword`). */
export function useBackupActions(
  backups: Backups | undefined,
  askPassword: (record: BackupRecord) => void,
): { deleteOf: (record: BackupRecord) => () => void; check: (record: BackupRecord) => void; dialog: ReactNode } {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  const { ask, dialog } = useConfirm();
  const list = backups?.backups;
  const deleteOf = useMemo(
    () => (record: BackupRecord) => () => {
      const left = list?.filter(({ id, state }) => id !== record.id && state === 'restorable').length ?? 0;
      ask({
        title: t('backup:delete.title', { at: formatMinute(record.madeAtMs) }),
        consequences: `${t('backup:delete.text', { file: record.fileName })} ${t('backup:delete.left', { count: left })}`,
        confirm: t('shared:delete'),
        dangerous: true,
        act: async () => {
          await api.delete(apiPaths.backup(record.id), anyAnswer);
          await refresh();
          notifyDone(t('backup:delete.done'));
        },
      });
    },
    [t, api, refresh, ask, list],
  );
  const check = useCallback(
    (record: BackupRecord) => {
      if (record.isEncrypted) return askPassword(record);
      api
        .post(apiPaths.backupAction(record.id, 'check'), anyAnswer)
        .then(refresh)
        .then(() => notifyDone(t('backup:check.begun')))
        .catch((error: unknown) => notifyFailure(error));
    },
    [t, api, refresh, askPassword],
  );
  return { deleteOf, check, dialog };
}
