import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';
import { formatCount, formatDuration } from '../../shared/format.ts';
import { loginPaths } from '../login-paths.ts';
import { backupStanding } from '../software/software-model.ts';
import { useBackups } from '../software/software-queries.ts';
import { vaultStanding } from '../vault/vault-model.ts';
import { useVaultKey } from '../vault/vault-queries.ts';

interface Notice {
  key: string;
  to: string;
  text: string;
  isBad: boolean;
}

/**
 * What would hurt on the day that this appliance is lost: the backup is old, failed or not there, secrets are unreadable, the vault key is nowhere else. Undefined
 * while it is not known; null when all is well. `hasMuch`: there is something to lose already.
 */
export function useBackupNotices(isEnabled: boolean, hasMuch: boolean): ReactNode | undefined {
  const backups = useBackups(isEnabled);
  const vault = useVaultKey(isEnabled);
  const { t } = useTranslation();
  if (!isEnabled) return null;
  if (isAwaited(backups) || isAwaited(vault)) return undefined;
  const notices: Notice[] = [];
  if (backups.data !== undefined) {
    const { standing, tone } = backupStanding(backups.data, Date.now());
    const isNone = standing === 'none' || standing === 'none-restorable';
    const { last } = backups.data;
    const ago = last === null ? '' : formatDuration(Date.now() - last.atMs);
    if (tone !== 'ok' && (hasMuch || !isNone))
      notices.push({
        key: 'backup',
        to: loginPaths.software,
        text: t(`backup:standing.${standing}`, { ago }),
        isBad: tone === 'bad' && !isNone,
      });
  }
  if (vault.data !== undefined) {
    const { standing } = vaultStanding(vault.data);
    const isTold = standing === 'unreadable' || standing === 'outdated' || (standing === 'never-downloaded' && hasMuch);
    const values = { count: vault.data.unreadable, number: formatCount(vault.data.unreadable) };
    if (isTold)
      notices.push({
        key: 'vault',
        to: loginPaths.vaultKey,
        text: t(`vault:standing.${standing}`, values),
        isBad: standing === 'unreadable',
      });
  }
  return notices.length === 0 ? null : <Notices notices={notices} />;
}

function isAwaited({ isPending, failureCount, isFetching }: { isPending: boolean; failureCount: number; isFetching: boolean }) {
  return isPending && isFetching && failureCount === 0;
}

function Notices({ notices }: { notices: Notice[] }) {
  const { t } = useTranslation();
  const isBad = notices.some((notice) => notice.isBad);
  return (
    <Alert color={isBad ? 'red' : 'yellow'} role="status" mb="sm" title={t('backup:notice.title')}>
      <ul style={{ margin: 0, paddingLeft: 20 }}>
        {notices.map(({ key, to, text }) => (
          <li key={key}>
            {text} <Link to={to}>{t(`backup:notice.to.${key}`)}</Link>
          </li>
        ))}
      </ul>
    </Alert>
  );
}
