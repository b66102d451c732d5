import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Text } from '@mantine/core';
import type { StaticRoute } from '@bascule/protocol/api/network.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';

/** Takes a route off the list and the kernel. */
export function RemoveRouteDialog({ route, onClose }: { route: StaticRoute; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const acceptCut = useAcceptCut();
  const { destination, gateway } = route;
  const submit = async () => {
    await acceptCut.send(() => api.post(apiPaths.removeStaticRoute(route.id), anyAnswer, acceptCut.body));
    await client.invalidateQueries({ queryKey: ['network', 'routes'] });
    notifyDone(t('network:routes.removed', { destination }));
  };
  return (
    <FormDialog
      title={t('network:routes.removeTitle', { destination })}
      confirm={t('network:addresses.remove')}
      onSubmit={submit}
      onClose={onClose}
    >
      <Text>{t('network:routes.removeText', { destination, gateway })}</Text>
      {acceptCut.notice}
    </FormDialog>
  );
}
