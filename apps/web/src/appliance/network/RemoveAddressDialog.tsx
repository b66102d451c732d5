import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';
import type { IpAddress } from '@bascule/protocol/api/network.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer, ApiError } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { AcceptCut } from './AcceptCut.tsx';
import { ConnectedNotice } from './ConnectedNotice.tsx';
import { useRefreshNetwork } from './network-queries.ts';

/** Takes an address off the list and the machine, after the same warning as a change. */
export function RemoveAddressDialog({ address, onClose }: { address: IpAddress; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshNetwork();
  const [cut, setCut] = useState<{ address: string; seconds: number }>();
  const [acceptCut, setAcceptCut] = useState(false);
  const submit = async () => {
    try {
      await api.post(apiPaths.removeIpAddress(address.id), anyAnswer, acceptCut ? { acceptCut } : {});
    } catch (error) {
      if (error instanceof ApiError && error.code === 'NETWORK_CUTS_YOU')
        setCut({ address: String(error.params['address']), seconds: Number(error.params['seconds']) });
      throw error;
    }
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
      {cut !== undefined && <AcceptCut cut={cut} accepted={acceptCut} onChange={setAcceptCut} />}
    </FormDialog>
  );
}
