import { useTranslation } from 'react-i18next';
import { useMutation } from '@tanstack/react-query';
import { Alert, Button, Group } from '@mantine/core';
import type { ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { rememberTest } from '../../shared/appliance-header.ts';
import { formatTimeOfDay } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths, pagePaths } from '../../shared/paths.ts';

/** To whoever is chosen for a test of the standby that is open: the way in (B133). */
export function TestOfferBanner({ header }: { header: ApplianceHeader }) {
  const { t } = useTranslation();
  const api = useApi();
  const enter = useMutation({
    mutationFn: () => api.post(apiPaths.enterRehearsal, anyAnswer),
    onSuccess: () => {
      rememberTest(true);
      location.assign(pagePaths.login);
    },
    onError: notifyFailure,
  });
  const { rehearsal } = header;
  if (rehearsal?.place !== 'offered') return null;
  return (
    <Alert role="status" py="xs" mb="md">
      <Group justify="space-between" gap="xs">
        <span>
          <strong>
            {t('failover:rehearsal.offered', { standby: rehearsal.standby, until: formatTimeOfDay(rehearsal.endsAtMs) })}
          </strong>{' '}
          {t('failover:rehearsal.offeredNote')}
        </span>
        <Button loading={enter.isPending} onClick={() => enter.mutate()}>
          {t('failover:rehearsal.enter')}
        </Button>
      </Group>
    </Alert>
  );
}
