import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, Group, PasswordInput, Radio, Select, Stack, Textarea, TextInput } from '@mantine/core';
import {
  ACME_CHALLENGES,
  certificatesState,
  KEY_CHOICES,
  type AcmeChange,
  type AcmeSettings,
} from '@bascule/protocol/api/certificates.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { namesIn } from './RequestDialog.tsx';
import { useTakeCertificates } from './certificates-queries.ts';

/** Settings of automatic certificates; saving them asks for one at once. */
export function AcmeDialog({ settings, onClose }: { settings: AcmeSettings; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeCertificates();
  const { eabSecretSet, ...first } = settings;
  const [draft, setDraft] = useState<Omit<AcmeChange, 'eabSecret'>>(first);
  const [names, setNames] = useState(settings.names.join('\n'));
  const [secret, setSecret] = useState('');
  const set = (part: Partial<typeof draft>) => setDraft({ ...draft, ...part });
  const submit = async () => {
    const eabSecret = draft.eabKeyId === '' && eabSecretSet ? { eabSecret: '' } : secret === '' ? {} : { eabSecret: secret };
    take(await api.put(apiPaths.certificateAcme, certificatesState, { ...draft, names: namesIn(names), ...eabSecret }));
    notifyDone(t('certificates:acme.saved'));
  };
  return (
    <FormDialog title={t('certificates:acme.title')} confirm={t('shared:save')} onSubmit={submit} onClose={onClose} size="xl">
      {(faultOf) => (
        <>
          <Checkbox
            label={t('certificates:acme.isOn')}
            checked={draft.isOn}
            onChange={(event) => set({ isOn: event.currentTarget.checked })}
          />
          <TextInput
            label={t('certificates:acme.directory')}
            value={draft.directoryUrl}
            onChange={(event) => set({ directoryUrl: event.currentTarget.value.trim() })}
            error={faultOf('body.directoryUrl', t('certificates:acme.directoryWrong'))}
            required
          />
          <Textarea
            label={t('certificates:field.names')}
            description={t('certificates:acme.namesNote')}
            value={names}
            onChange={(event) => setNames(event.currentTarget.value)}
            error={faultOf('body.names', t('certificates:request.namesWrong'))}
            autosize
            minRows={2}
          />
          <Radio.Group
            label={t('certificates:acme.challenge')}
            value={draft.challenge}
            onChange={(value) => set({ challenge: ACME_CHALLENGES.find((one) => one === value) ?? 'tls-alpn-01' })}
          >
            <Stack gap={6} mt={4}>
              {ACME_CHALLENGES.map((one) => (
                <Radio key={one} value={one} label={t(`certificates:challenge.${one}`)} />
              ))}
            </Stack>
          </Radio.Group>
          <Group grow align="start">
            <Select
              label={t('certificates:field.key')}
              data={KEY_CHOICES.map((value) => ({ value, label: t(`certificates:keyChoice.${value}`) }))}
              value={draft.key}
              onChange={(value) => set({ key: KEY_CHOICES.find((choice) => choice === value) ?? 'ec-p256' })}
              allowDeselect={false}
            />
            <TextInput
              label={t('certificates:acme.contact')}
              value={draft.contact}
              onChange={(event) => set({ contact: event.currentTarget.value.trim() })}
              error={faultOf('body.contact', t('certificates:acme.contactWrong'))}
            />
          </Group>
          <Checkbox
            label={t('certificates:acme.keepKey')}
            description={t('certificates:acme.keepKeyNote')}
            checked={draft.keepKey}
            onChange={(event) => set({ keepKey: event.currentTarget.checked })}
          />
          <Group grow align="start">
            <TextInput
              label={t('certificates:acme.eabKeyId')}
              value={draft.eabKeyId}
              onChange={(event) => set({ eabKeyId: event.currentTarget.value.trim() })}
            />
            <PasswordInput
              label={t('certificates:acme.eabSecret')}
              placeholder={eabSecretSet ? t('certificates:acme.eabStays') : ''}
              value={secret}
              onChange={(event) => setSecret(event.currentTarget.value.trim())}
              error={faultOf('body.eabSecret', t('certificates:acme.eabWrong'))}
              autoComplete="off"
              visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
            />
          </Group>
          <Textarea
            label={t('certificates:acme.ca')}
            description={t('certificates:acme.caNote')}
            value={draft.directoryCaPem}
            onChange={(event) => set({ directoryCaPem: event.currentTarget.value })}
            error={faultOf('body.directoryCaPem')}
            autosize
            minRows={2}
            maxRows={6}
          />
          <Checkbox
            label={t('certificates:acme.terms')}
            checked={draft.termsAgreed}
            onChange={(event) => set({ termsAgreed: event.currentTarget.checked })}
            error={faultOf('body.termsAgreed')}
          />
        </>
      )}
    </FormDialog>
  );
}
