import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, Stack, Text } from '@mantine/core';
import type { Certificate, CertificatesState, CertificateUse } from '@bascule/protocol/api/certificates.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { nameOf, useOf } from './certificate-texts.ts';

interface AssignDialogProps {
  certificate: Certificate;
  state: CertificatesState;
  /** What follows is shown before it is done. */
  onChosen: (use: CertificateUse) => void;
  onClose: () => void;
}

/** Where one certificate is used: as Default, by its names (SNI), at addresses (B18). */
export function AssignDialog({ certificate, state, onChosen, onClose }: AssignDialogProps) {
  const { t } = useTranslation();
  const { id } = certificate;
  const [use, setUse] = useState(() => useOf(state));
  const assigned = new Set(use.addresses.filter((one) => one.certificate === id).map(({ address }) => address));
  const assign = (address: string, isOn: boolean) => {
    const others = use.addresses.filter((one) => one.address !== address);
    setUse({ ...use, addresses: isOn ? [...others, { address, certificate: id }] : others });
  };
  return (
    <FormDialog
      title={t('certificates:assign.title', { name: nameOf(certificate) })}
      confirm={t('certificates:assign.next')}
      onSubmit={async () => onChosen(use)}
      onClose={() => undefined}
      onCancel={onClose}
    >
      <Checkbox
        label={t('certificates:assign.default')}
        description={t('certificates:assign.defaultNote')}
        checked={use.default === id}
        disabled={useOf(state).default === id}
        onChange={(event) => setUse({ ...use, default: event.currentTarget.checked ? id : useOf(state).default })}
      />
      {id !== 'handed' && (
        <Checkbox
          label={t('certificates:assign.byName')}
          description={t('certificates:assign.byNameNote', { names: certificate.facts?.names.join(', ') ?? '' })}
          checked={use.byName.includes(id)}
          onChange={(event) =>
            setUse({ ...use, byName: event.currentTarget.checked ? [...use.byName, id] : use.byName.filter((one) => one !== id) })
          }
        />
      )}
      <Stack gap={6}>
        <Text size="sm" fw={500}>
          {t('certificates:assign.addresses')}
        </Text>
        {state.addresses.length === 0 && (
          <Text size="sm" c="dimmed">
            {t('certificates:assign.noAddress')}
          </Text>
        )}
        {state.addresses.map(({ address }) => (
          <Checkbox
            key={address}
            label={address}
            checked={assigned.has(address)}
            onChange={(event) => assign(address, event.currentTarget.checked)}
          />
        ))}
      </Stack>
    </FormDialog>
  );
}
