import { useTranslation } from 'react-i18next';
import { Modal, Stack } from '@mantine/core';
import type { Certificate } from '@bascule/protocol/api/certificates.ts';
import { formatMinute } from '../../shared/format.ts';
import { CertificateFactsList } from './CertificateFactsList.tsx';
import { WarningList } from './WarningList.tsx';
import { nameOf } from './certificate-texts.ts';

/** All of one certificate: what is wrong and what to do, what is in it, and when it was exported last (B41). */
export function DetailsDialog({ certificate, onClose }: { certificate: Certificate; onClose: () => void }) {
  const { t } = useTranslation();
  const { facts, warnings, lastKeyExportAtMs } = certificate;
  return (
    <Modal opened onClose={onClose} title={nameOf(certificate)} size="xl" closeButtonProps={{ 'aria-label': t('shared:close') }}>
      <Stack gap="md">
        <WarningList warnings={warnings} />
        {facts !== null && <CertificateFactsList facts={facts} />}
        <div className="b-quiet">
          {lastKeyExportAtMs === null
            ? t('certificates:details.neverExported')
            : t('certificates:details.exported', { at: formatMinute(lastKeyExportAtMs) })}
        </div>
      </Stack>
    </Modal>
  );
}
