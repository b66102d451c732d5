import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Modal, Stack } from '@mantine/core';
import { CopyField } from '../shared/CopyField.tsx';

export interface IssuedPassword {
  name: string;
  password: string;
}

/** A one-time password, shown this once. A stray click or Escape does not close it. */
export function OneTimePasswordDialog({ issued, onClose }: { issued: IssuedPassword; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened
      onClose={onClose}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
      title={t('login:oneTime.title', { name: issued.name })}
    >
      <Stack gap="md">
        <Alert color="yellow" py="xs">
          {t('login:oneTime.once', { name: issued.name })}
        </Alert>
        <CopyField label={t('login:oneTime.password')} value={issued.password} />
        <Group justify="flex-end">
          <Button onClick={onClose}>{t('login:oneTime.saved')}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
