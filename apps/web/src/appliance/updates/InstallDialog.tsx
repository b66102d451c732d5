import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Modal } from '@mantine/core';
import type { Offer } from '@bascule/protocol/api/updates.ts';
import { ConfirmInstallation } from './ConfirmInstallation.tsx';
import { EulaForm } from './EulaForm.tsx';
import { packageName } from './update-texts.ts';

/** What somebody wants to do with an offer. */
export interface Intent {
  operation: 'install' | 'download' | 'trial' | 'preflight';
  offer: Offer;
}

/** Before anything happens: the licence agreement when nobody has accepted it yet (B62), then what will happen. */
export function InstallDialog({ intent, onClose }: { intent: Intent; onClose: () => void }) {
  const { t } = useTranslation();
  const { operation, offer } = intent;
  const [isAccepted, setAccepted] = useState(offer.eulaAccepted !== null);
  const needsEula = operation === 'install' && !isAccepted;
  const name = packageName(t, offer.manifest.kind, offer.manifest.version);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={needsEula ? t('updates:eula.title', { name }) : t(`updates:install.title.${operation}`, { name })}
      closeButtonProps={{ 'aria-label': t('shared:close') }}
    >
      {needsEula ? (
        <EulaForm target={offer.target} onAccepted={() => setAccepted(true)} onClose={onClose} />
      ) : (
        <ConfirmInstallation intent={intent} onClose={onClose} />
      )}
    </Modal>
  );
}
