import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';
import type { ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import { loginPaths } from '../login-paths.ts';

/** On every page of an administrator: what is wrong with the pair, and the way to where it is explained. */
export function FailoverBanner({ header }: { header: ApplianceHeader }) {
  const { t } = useTranslation();
  if (header.alarms.length === 0) return null;
  return (
    <Alert color="red" role="alert" py="xs" mb="md">
      {header.alarms.map((code) => t(`failover:alarm.${code}`)).join(' ')}{' '}
      <Link to={loginPaths.failover}>{t('failover:toFailover')}</Link>
    </Alert>
  );
}
