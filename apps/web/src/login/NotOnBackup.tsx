import { Link, Navigate, useLocation } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Anchor, Group, Text } from '@mantine/core';
import type { ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import { onPrimary } from '../shared/appliance-header.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { loginPaths } from './login-paths.ts';

/** In the place of a page that a backup does not have: where it is. The start page leads to what there is instead. */
export function NotOnBackup({ header }: { header: ApplianceHeader }) {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const administrator = useLoggedIn().role === 'administrator';
  const home = administrator ? loginPaths.failover : loginPaths.account;
  if (pathname === loginPaths.status) return <Navigate to={home} replace />;
  const href = onPrimary(header.primaryUrl, `/login${pathname}`);
  return (
    <Alert
      role="status"
      title={
        header.movedTo === undefined
          ? t(`login:standby.title.${header.role === 'backup' ? 'backup' : 'read-only'}`, { name: header.appliance })
          : t('shared:moved.title', { name: header.movedTo })
      }
    >
      <Text mb="xs">{t(href === undefined ? 'login:standby.noPrimary' : 'login:standby.text')}</Text>
      <Group gap="md">
        {href !== undefined && (
          <Anchor href={href} underline="always">
            {t('login:standby.open')}
          </Anchor>
        )}
        <Link to={home}>{t(administrator ? 'login:standby.toFailover' : 'login:standby.toAccount')}</Link>
      </Group>
    </Alert>
  );
}
