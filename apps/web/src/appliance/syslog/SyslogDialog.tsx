import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, Group, NumberInput, Stack, Textarea, TextInput } from '@mantine/core';
import {
  SYSLOG_DEFAULT_PORT,
  SYSLOG_SOURCES,
  type SyslogDestinationChange,
  type SyslogState,
} from '@bascule/protocol/api/syslog.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';

const NEW: SyslogDestinationChange = {
  isOn: true,
  host: '',
  port: SYSLOG_DEFAULT_PORT,
  caPem: null,
  clientCertificatePem: null,
  sources: [...SYSLOG_SOURCES],
};

interface SyslogDialogProps {
  /** Undefined: a new one. */
  destination: SyslogState['destinations'][number] | undefined;
  /** In the list, as the API names its fields. */
  place: number;
  onSave: (changed: SyslogDestinationChange) => Promise<void>;
  onClose: () => void;
}

export function SyslogDialog({ destination, place, onSave, onClose }: SyslogDialogProps) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState<SyslogDestinationChange>(() => {
    if (destination === undefined) return NEW;
    const { id, isOn, host, port, caPem, clientCertificatePem, sources } = destination;
    return { id, isOn, host, port, caPem, clientCertificatePem, sources };
  });
  const set = (part: Partial<SyslogDestinationChange>) => setDraft({ ...draft, ...part });
  const pemOf = (text: string) => (text.trim() === '' ? null : text);
  const keepsKey = destination?.hasClientKey === true && draft.clientCertificatePem === destination.clientCertificatePem;
  return (
    <FormDialog
      title={destination === undefined ? t('syslog:dialog.add') : t('syslog:dialog.edit', { host: destination.host })}
      confirm={t('shared:save')}
      onSubmit={() => onSave(draft)}
      onClose={onClose}
      size="xl"
    >
      {(faultOf) => {
        const fault = (name: string) => faultOf(`body.destinations.${place}.${name}`);
        return (
          <>
            <Group grow align="start">
              <TextInput
                label={t('syslog:dialog.host')}
                value={draft.host}
                onChange={(event) => set({ host: event.currentTarget.value })}
                error={fault('host')}
                required
                data-autofocus
              />
              <NumberInput
                label={t('syslog:dialog.port')}
                value={draft.port}
                onChange={(value) => set({ port: Number(value) })}
                min={1}
                max={65_535}
                allowDecimal={false}
                error={fault('port')}
                required
              />
            </Group>
            <Checkbox.Group
              label={t('syslog:dialog.sources')}
              value={draft.sources}
              onChange={(values) => set({ sources: SYSLOG_SOURCES.filter((source) => values.includes(source)) })}
            >
              <Stack gap={6} mt={4}>
                {SYSLOG_SOURCES.map((source) => (
                  <Checkbox
                    key={source}
                    value={source}
                    label={t(`syslog:source.${source}`)}
                    description={t(`syslog:sourceNote.${source}`)}
                  />
                ))}
              </Stack>
            </Checkbox.Group>
            <Textarea
              label={t('syslog:dialog.ca')}
              description={t('syslog:dialog.caNote')}
              value={draft.caPem ?? ''}
              onChange={(event) => set({ caPem: pemOf(event.currentTarget.value) })}
              error={fault('caPem')}
              rows={3}
              spellCheck={false}
              classNames={{ input: 'b-mono' }}
            />
            <Textarea
              label={t('syslog:dialog.certificate')}
              description={t('syslog:dialog.certificateNote')}
              value={draft.clientCertificatePem ?? ''}
              onChange={(event) => set({ clientCertificatePem: pemOf(event.currentTarget.value) })}
              error={fault('clientCertificatePem')}
              rows={3}
              spellCheck={false}
              classNames={{ input: 'b-mono' }}
            />
            {draft.clientCertificatePem !== null && (
              <Textarea
                label={t('syslog:dialog.key')}
                description={keepsKey ? t('syslog:dialog.keyKept') : t('syslog:dialog.keyNote')}
                value={draft.clientKeyPem ?? ''}
                onChange={(event) => set({ clientKeyPem: pemOf(event.currentTarget.value) ?? undefined })}
                error={fault('clientKeyPem')}
                rows={3}
                spellCheck={false}
                autoComplete="off"
                classNames={{ input: 'b-mono' }}
              />
            )}
            <Checkbox
              label={t('syslog:dialog.isOn')}
              description={t('syslog:dialog.isOnNote')}
              checked={draft.isOn}
              onChange={(event) => set({ isOn: event.currentTarget.checked })}
            />
          </>
        );
      }}
    </FormDialog>
  );
}
