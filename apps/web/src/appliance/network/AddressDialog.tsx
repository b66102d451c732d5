import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, Select, TextInput } from '@mantine/core';
import {
  ACCESS_TYPES,
  type AccessType,
  type IpAddress,
  type IpAddressChange,
  type IpConfiguration,
} from '@bascule/protocol/api/network.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';
import { ConnectedNotice } from './ConnectedNotice.tsx';
import { useRefreshNetwork } from './network-queries.ts';
import { maskText, readMask } from './subnet-mask.ts';

interface AddressDialogProps {
  /** Undefined: a new one. */
  edited: IpAddress | undefined;
  configuration: IpConfiguration;
  onClose: () => void;
}

const ADDRESS_MAX_CHARACTERS = 45;

/** The form of an IP address (B11), its warning (B12) and note (B13). */
export function AddressDialog({ edited, configuration, onClose }: AddressDialogProps) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshNetwork();
  const [draft, setDraft] = useState(() => firstDraft(edited, configuration));
  const acceptCut = useAcceptCut();
  const change = (part: Partial<typeof draft>) => setDraft({ ...draft, ...part });
  const prefix = readMask(draft.mask, draft.address);
  const submit = async () => {
    const { enabled, device, address, accessType, shared } = draft;
    const body: IpAddressChange = {
      enabled,
      device,
      address,
      prefix: prefix ?? 0,
      accessType,
      shared,
      ...acceptCut.body,
    };
    await acceptCut.send(() =>
      edited === undefined
        ? api.post(apiPaths.ipAddresses, anyAnswer, body)
        : api.put(apiPaths.ipAddress(edited.id), anyAnswer, body),
    );
    void refresh();
    notifyDone(t('network:form.saved'));
  };
  const ports = [...new Set([...configuration.devices.map(({ name }) => name).filter((name) => name !== 'lo'), draft.device])];
  return (
    <FormDialog
      title={edited === undefined ? t('network:addresses.add') : t('network:form.title', { address: edited.address })}
      confirm={t('network:form.save')}
      onSubmit={submit}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <Alert color="yellow" role="note" py="xs">
            {t('network:form.warning')}
            <ConnectedNotice />
          </Alert>
          <Checkbox
            label={t('network:field.enabled')}
            checked={draft.enabled}
            onChange={(event) => change({ enabled: event.currentTarget.checked })}
          />
          <Select
            label={t('network:field.device')}
            data={ports.filter((name) => name !== '')}
            value={draft.device}
            onChange={(device) => change({ device: device ?? '' })}
            error={faultOf('body.device', t('network:form.deviceWrong'))}
            allowDeselect={false}
            required
          />
          <TextInput
            label={t('network:field.address')}
            placeholder="192.0.2.10"
            value={draft.address}
            onChange={(event) => change({ address: event.currentTarget.value.trim() })}
            error={faultOf('body.address', t('errors:IP_ADDRESS_INVALID'))}
            maxLength={ADDRESS_MAX_CHARACTERS}
            spellCheck={false}
            autoComplete="off"
            required
          />
          <TextInput
            label={t('network:field.mask')}
            description={t('network:form.maskNote')}
            value={draft.mask}
            onChange={(event) => change({ mask: event.currentTarget.value })}
            error={prefix === undefined ? t('network:form.maskWrong') : faultOf('body.prefix', t('network:form.maskWrong'))}
            spellCheck={false}
            autoComplete="off"
            required
          />
          <Select
            label={t('network:field.accessType')}
            description={t('network:form.accessNote')}
            data={ACCESS_TYPES.map((value) => ({ value, label: t(`network:access.${value}`) }))}
            value={draft.accessType}
            onChange={(value) => change({ accessType: (value ?? 'both') as AccessType })}
            allowDeselect={false}
          />
          <Checkbox
            label={t('network:field.shared')}
            description={t('network:form.sharedNote')}
            checked={draft.shared}
            onChange={(event) => change({ shared: event.currentTarget.checked })}
          />
          {edited === undefined && (
            <Alert role="note" py="xs">
              {t('network:form.certificateNote')}
            </Alert>
          )}
          {acceptCut.notice}
        </>
      )}
    </FormDialog>
  );
}

function firstDraft(edited: IpAddress | undefined, { devices }: IpConfiguration) {
  if (edited !== undefined) {
    const { enabled, device, address, prefix, accessType, shared } = edited;
    return { enabled, device, address, mask: maskText(prefix, address), accessType, shared };
  }
  const port = devices.find(({ name, up }) => up && name !== 'lo')?.name ?? '';
  return { enabled: true, device: port, address: '', mask: '255.255.255.0', accessType: 'both' as AccessType, shared: false };
}
