import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, Radio, Stack } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import {
  EXPORT_PASSPHRASE_MIN_CHARACTERS,
  exportedFile,
  type Certificate,
  type CertificateExport,
} from '@bascule/protocol/api/certificates.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { NewPasswordFields } from '../../shared/NewPasswordFields.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { NO_PASSWORD, passwordProblem } from '../../shared/new-password.ts';
import { apiPaths } from '../../shared/paths.ts';
import { saveFile } from '../../shared/save-file.ts';
import { nameOf } from './certificate-texts.ts';

const PASSPHRASE_MAX_CHARACTERS = 1000;
const PARTS = ['certificate', 'key', 'chain'] as const;

/** Certificate, private key and chain by checkboxes (B17); the key leaves only under a passphrase. */
export function ExportDialog({ certificate, onClose }: { certificate: Certificate; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const hasKey = certificate.state === 'ready';
  const [draft, setDraft] = useState<Omit<CertificateExport, 'passphrase'>>({
    certificate: true,
    key: hasKey,
    chain: true,
    format: 'pem',
  });
  const [password, setPassword] = useState(NO_PASSWORD);
  const needsPassword = draft.key || draft.format === 'pkcs12';
  const rules = { isRequired: needsPassword, minCharacters: EXPORT_PASSPHRASE_MIN_CHARACTERS };
  const submit = async () => {
    const body = { ...draft, ...(needsPassword && { passphrase: password.password }) };
    const { fileName, mediaType, content } = await api.post(apiPaths.exportCertificate(certificate.id), exportedFile, body);
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    saveFile(fileName, mediaType, new Blob([bytes], { type: mediaType }));
    await client.invalidateQueries({ queryKey: ['certificates'] });
  };
  return (
    <FormDialog
      title={t('certificates:export.title', { name: nameOf(certificate) })}
      confirm={t('certificates:action.export')}
      onSubmit={submit}
      onClose={onClose}
      canSubmit={PARTS.some((part) => draft[part]) && (!needsPassword || passwordProblem(password, rules) === undefined)}
    >
      <Stack gap={6}>
        {PARTS.map((part) => (
          <Checkbox
            key={part}
            label={t(`certificates:export.${part}`)}
            checked={draft[part]}
            disabled={part === 'key' && !hasKey}
            onChange={(event) => setDraft({ ...draft, [part]: event.currentTarget.checked })}
          />
        ))}
      </Stack>
      <Radio.Group
        label={t('certificates:export.format')}
        value={draft.format}
        onChange={(format) => setDraft({ ...draft, format: format === 'pkcs12' ? 'pkcs12' : 'pem' })}
      >
        <Stack gap={6} mt={4}>
          <Radio value="pem" label={t('certificates:export.pem')} />
          <Radio value="pkcs12" label={t('certificates:export.pkcs12')} />
        </Stack>
      </Radio.Group>
      {needsPassword && (
        <NewPasswordFields
          label={t('certificates:export.passphrase')}
          repeatLabel={t('certificates:export.repeat')}
          value={password}
          onChange={setPassword}
          rules={rules}
          maxCharacters={PASSPHRASE_MAX_CHARACTERS}
        />
      )}
      <Alert color="blue" role="note" py="xs">
        {t('certificates:export.stays')}
      </Alert>
    </FormDialog>
  );
}
