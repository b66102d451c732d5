import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, FileButton, Textarea, TextInput } from '@mantine/core';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { Facts } from '../../shared/Section.tsx';
import { formatInstant } from '../../shared/format.ts';
import { useInstallers } from '../installers/installer-queries.ts';
import { readCertificate } from './read-certificate.ts';
import { grouped, PORT_LIMITS, type ChangeDraft } from './trust-model.ts';
import classes from './trust.module.css';

interface FieldsProps {
  draft: ChangeDraft;
  edit: (part: Partial<ChangeDraft>) => void;
}

const HOST_MAX_CHARACTERS = 255;
const VERSION_MAX_CHARACTERS = 64;

/** A certificate as PEM, pasted or chosen; what was read of it is shown. No private key is asked for. */
export function CertificateFields({ draft, edit }: FieldsProps) {
  const { t } = useTranslation();
  const [pem, setPem] = useState('');
  const take = async (text: string) => {
    setPem(text);
    const certificate = await readCertificate(text);
    edit({ certificate, isPubliclyTrusted: certificate?.isSelfSigned === false });
  };
  const { certificate } = draft;
  return (
    <>
      <Textarea
        label={t('trust:certificate.pem')}
        description={t('trust:certificate.pemNote')}
        placeholder="-----BEGIN CERTIFICATE-----"
        rows={4}
        value={pem}
        onChange={(event) => void take(event.currentTarget.value)}
        error={pem !== '' && certificate === undefined ? t('trust:certificate.unreadable') : undefined}
        classNames={{ input: 'b-mono' }}
        spellCheck={false}
      />
      <div>
        <FileButton accept=".pem,.crt,.cer,application/x-pem-file" onChange={(file) => void file?.text().then(take)}>
          {(props) => (
            <Button variant="default" {...props}>
              {t('trust:certificate.choose')}
            </Button>
          )}
        </FileButton>
      </div>
      {certificate !== undefined && (
        <>
          <Facts
            rows={[
              [t('trust:certificate.names'), certificate.names.join(', ') || t('shared:none')],
              [t('trust:certificate.expires'), formatInstant(certificate.expiresAtMs)],
              [
                t('trust:certificate.key'),
                <span key="key" className="b-mono">
                  {grouped(certificate.keySha256)}
                </span>,
              ],
            ]}
          />
          <Checkbox
            label={t('trust:certificate.public')}
            description={certificate.isSelfSigned ? t('trust:certificate.selfSigned') : t('trust:certificate.publicNote')}
            disabled={certificate.isSelfSigned}
            checked={draft.isPubliclyTrusted}
            onChange={(event) => edit({ isPubliclyTrusted: event.currentTarget.checked })}
          />
        </>
      )}
    </>
  );
}

export function HostNameFields({ draft, edit }: FieldsProps) {
  const { t } = useTranslation();
  return (
    <>
      <TextInput
        label={t('trust:host.name')}
        placeholder="access.example.org"
        value={draft.host}
        onChange={(event) => edit({ host: event.currentTarget.value })}
        maxLength={HOST_MAX_CHARACTERS}
        autoComplete="off"
      />
      <LimitedNumberInput
        label={t('trust:host.port')}
        limits={PORT_LIMITS}
        value={draft.port}
        onChange={(port) => edit({ port })}
        wrapperClass={classes['number']}
      />
      <Checkbox
        label={t('trust:host.keeps')}
        description={t('trust:host.keepsNote')}
        checked={draft.keepsOldName}
        onChange={(event) => edit({ keepsOldName: event.currentTarget.checked })}
      />
    </>
  );
}

export function PackageFields({ draft, edit }: FieldsProps) {
  const { t } = useTranslation();
  const next = useInstallers().data?.next ?? null;
  const isWrong = draft.version !== '' && !packageVersion.safeParse(draft.version.trim()).success;
  return (
    <>
      <TextInput
        label={t('trust:package.version')}
        description={t('trust:package.versionNote')}
        placeholder="1.2.3"
        value={draft.version}
        onChange={(event) => edit({ version: event.currentTarget.value })}
        maxLength={VERSION_MAX_CHARACTERS}
        error={isWrong ? t('trust:package.versionWrong') : undefined}
        classNames={{ wrapper: classes['number'] ?? '' }}
      />
      {next !== null && (
        <div>
          <Button variant="default" onClick={() => edit({ version: next })}>
            {t('trust:package.next', { version: next })}
          </Button>
        </div>
      )}
    </>
  );
}
