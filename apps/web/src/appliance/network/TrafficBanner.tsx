import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Anchor } from '@mantine/core';
import { boxHeader } from '@bascule/protocol/api/appliance.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths, pagePaths } from '../../shared/paths.ts';
import { appliancePaths } from '../appliance-paths.ts';

const REFRESH_MS = 10_000;

/** On every page of /appliance: traffic that should have come here, and did not. */
export function TrafficBanner() {
  const { t } = useTranslation();
  const api = useApi();
  const { data } = useQuery({
    queryKey: ['network', 'header'],
    queryFn: ({ signal }) => api.get(apiPaths.applianceHeader, boxHeader, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  if (data?.trafficFailed !== true) return null;
  return (
    <Alert color="red" role="alert" mb="md" title={t('network:banner.title')}>
      <Anchor href={`${pagePaths.appliance}${appliancePaths.traffic}`}>{t('network:banner.open')}</Anchor>
    </Alert>
  );
}
