import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Text } from '@mantine/core';
import type { PendingChange } from '@bascule/protocol/api/network.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useTickingNow } from '../updates/use-ticking-now.ts';
import { useRefreshNetwork } from './network-queries.ts';

/** A change that cut the address by which it was made, and is undone unless somebody confirms it here. */
export function PendingChangeNotice({ pending, reachedBy }: { pending: PendingChange; reachedBy: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshNetwork();
  const nowMs = useTickingNow(pending.undoAtMs - pending.leftMs);
  const confirm = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.confirmNetwork, anyAnswer);
      await refresh();
    },
    onSuccess: () => notifyDone(t('network:pending.confirmed')),
  });
  const seconds = Math.max(0, Math.ceil((pending.undoAtMs - nowMs) / 1000));
  return (
    <Alert color="red" role="alert" mb="md" title={t('network:pending.title', { address: pending.address, seconds })}>
      <Text mb="sm">{t('network:pending.text', { address: pending.address, reachedBy })}</Text>
      <FormFailure error={confirm.error} />
      <Group>
        <Button onClick={() => confirm.mutate()} loading={confirm.isPending}>
          {t('network:pending.confirm')}
        </Button>
      </Group>
    </Alert>
  );
}
