import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Modal, Text } from '@mantine/core';
import type { OpenAgreement } from '@bascule/protocol/api/plans.ts';
import { EulaForm } from '../updates/EulaForm.tsx';
import { packageName } from '../updates/update-texts.ts';
import { useRefreshPlans } from './plans-queries.ts';

/** Licence agreements that somebody has to accept before the plan can be run (B62), here for both appliances. */
export function PlanAgreements({ agreements }: { agreements: OpenAgreement[] }) {
  const { t } = useTranslation();
  const refresh = useRefreshPlans();
  const [shown, setShown] = useState<OpenAgreement>();
  const nameOf = ({ kind, version }: OpenAgreement) => packageName(t, kind, version);
  const close = () => setShown(undefined);
  if (agreements.length === 0) return null;
  return (
    <Alert color="yellow" role="status" mb="sm" title={t('plans:agreements.title')}>
      <Text size="sm">{t('plans:agreements.note')}</Text>
      <Group gap="xs" mt="xs">
        {agreements.map((agreement) => (
          <Button key={agreement.target} variant="default" onClick={() => setShown(agreement)}>
            {t('plans:agreements.read', { name: nameOf(agreement) })}
          </Button>
        ))}
      </Group>
      {shown !== undefined && (
        <Modal
          opened
          onClose={close}
          size="lg"
          title={t('updates:eula.title', { name: nameOf(shown) })}
          closeButtonProps={{ 'aria-label': t('shared:close') }}
        >
          <EulaForm target={shown.target} onAccepted={() => void refresh().finally(close)} onClose={close} />
        </Modal>
      )}
    </Alert>
  );
}
