import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';
import type { IpAddress } from '@bascule/protocol/api/network.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';
import { ConnectedNotice } from './ConnectedNotice.tsx';
import { useRefreshNetwork } from './network-queries.ts';

/** Takes an address off the list and the machine, after the same warning as a change. */
export function RemoveAddressDialog({ address, onClose }: { address: IpAddress; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshNetwork();
  const acceptCut = useAcceptCut();
  const submit = async () => {
    await acceptCut.send(() => api.post(apiPaths.removeIpAddress(address.id), anyAnswer, acceptCut.body));
    void refresh();
    notifyDone(t('network:form.removed', { address: address.address }));
  };
  return (
    <FormDialog
      title={t('network:form.removeTitle', { address: address.address })}
      confirm={t('network:addresses.remove')}
      onSubmit={submit}
      onClose={onClose}
    >
      <Alert color="yellow" role="note" py="xs">
        {address.state === 'foreign' ? t('network:form.removeForeign') : t('network:form.warning')}
        <ConnectedNotice />
      </Alert>
      {acceptCut.notice}
    </FormDialog>
  );
}
