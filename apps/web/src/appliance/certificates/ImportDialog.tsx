import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, FileInput, PasswordInput, Stack } from '@mantine/core';
import {
  certificatesState,
  IMPORT_FILES_MAX,
  IMPORT_MAX_BYTES,
  importPreview,
  type ImportFiles,
  type ImportPreview,
} from '@bascule/protocol/api/certificates.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { ApiError } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { base64Of } from '../../login/vault/vault-model.ts';
import { CertificateFactsList } from './CertificateFactsList.tsx';
import { WarningList } from './WarningList.tsx';
import { useTakeCertificates } from './certificates-queries.ts';

/** Files are chosen, then shown what is in them, then stored (B16). */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeCertificates();
  const [files, setFiles] = useState<File[]>([]);
  const [passphrase, setPassphrase] = useState('');
  const [looked, setLooked] = useState<{ body: ImportFiles; preview: ImportPreview }>();
  const look = async () => {
    const body = await bodyOf(files, passphrase);
    setLooked({ body, preview: await api.post(apiPaths.inspectCertificate, importPreview, body) });
  };
  const store = async (body: ImportFiles) => {
    take(await api.post(apiPaths.importCertificate, certificatesState, body));
    notifyDone(t('certificates:import.done'));
    onClose();
  };
  return (
    <FormDialog
      title={t('certificates:import.title')}
      confirm={looked === undefined ? t('certificates:import.look') : t('certificates:import.store')}
      onSubmit={() => (looked === undefined ? look() : store(looked.body))}
      onClose={() => undefined}
      onCancel={onClose}
      size="xl"
    >
      {(faultOf) =>
        looked === undefined ? (
          <>
            <FileInput
              label={t('certificates:import.files')}
              description={t('certificates:import.filesNote')}
              multiple
              value={files}
              onChange={setFiles}
              error={faultOf('body.files')}
              required
            />
            <PasswordInput
              label={t('certificates:import.passphrase')}
              description={t('certificates:import.passphraseNote')}
              value={passphrase}
              onChange={(event) => setPassphrase(event.currentTarget.value)}
              error={faultOf('body.passphrase')}
              autoComplete="off"
              visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
            />
          </>
        ) : (
          <Preview preview={looked.preview} />
        )
      }
    </FormDialog>
  );
}

function Preview({ preview }: { preview: ImportPreview }) {
  const { t } = useTranslation();
  const { facts, key, order, leftOut, warnings, replaces } = preview;
  return (
    <Stack gap="sm">
      <Alert color={key === 'missing' ? 'yellow' : 'blue'} role="status" py="xs">
        {t(`certificates:import.key.${key}`)} {t(`certificates:import.order.${order}`)}{' '}
        {leftOut.length > 0 && t('certificates:import.leftOut', { names: leftOut.join(', ') })}{' '}
        {replaces !== null && t('certificates:import.replaces')}
      </Alert>
      <WarningList warnings={warnings} />
      <CertificateFactsList facts={facts} />
    </Stack>
  );
}

/** Files that are far too large are not even read. */
async function bodyOf(files: File[], passphrase: string): Promise<ImportFiles> {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > IMPORT_MAX_BYTES || files.length > IMPORT_FILES_MAX)
    throw new ApiError('CERTIFICATE_IMPORT_LARGE', 'Too large.', { status: 0 });
  const read = await Promise.all(files.map(async (file) => ({ name: file.name, content: await base64Of(file) })));
  return { files: read, ...(passphrase !== '' && { passphrase }) };
}
