import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Modal, Stack } from '@mantine/core';
import { CopyField } from '../../shared/CopyField.tsx';
import { formatInstant } from '../../shared/format.ts';
import { onlyLocalHost } from './only-local-host.ts';
import type { CreatedInstallerToken } from './InstallerTokensPage.tsx';

/** The new token and its commands, shown this once. A stray click or Escape does not close it. */
export function CreatedTokenDialog({ created, onClose }: { created: CreatedInstallerToken; onClose: () => void }) {
  const { t } = useTranslation();
  const { token } = created;
  const localHost = onlyLocalHost(created.installCommand);
  return (
    <Modal
      opened
      onClose={onClose}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
      size="xl"
      title={t('login:token.createdTitle', { name: token.name })}
    >
      <Stack gap="md">
        <Alert color="yellow" py="xs">
          {t('login:token.once', { count: token.usesLeft, until: formatInstant(token.validUntilMs) })}
        </Alert>
        {localHost !== undefined && (
          <Alert color="red" py="xs" role="note">
            {t('login:token.localWarning', { host: localHost })}
          </Alert>
        )}
        {token.approveEach && (
          <Alert py="xs" role="note">
            {t('installers:made.approveEach')}
          </Alert>
        )}
        <CopyField label={t('login:token.installCommand')} value={created.installCommand} />
        <CopyField label={t('login:token.checkoutCommand')} value={created.checkoutCommand} />
        <CopyField label={t('login:token.secret')} value={created.secret} />
        <Group justify="flex-end">
          <Button onClick={onClose}>{t('login:token.saved')}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
