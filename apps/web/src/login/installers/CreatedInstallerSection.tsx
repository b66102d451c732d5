import { useEffect } from 'react';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { CopyField } from '../../shared/CopyField.tsx';
import { Section } from '../../shared/Section.tsx';
import { formatCount, formatInstant } from '../../shared/format.ts';
import { onlyLocalHost } from '../jump/only-local-host.ts';
import { loginPaths } from '../login-paths.ts';
import { InstallerFiles } from './InstallerFiles.tsx';
import type { CreatedInstaller } from './InstallerWizardPage.tsx';
import classes from './installers.module.css';

/** What the wizard made: the command, the files, and the key, which is shown this once. */
export function CreatedInstallerSection({ created }: { created: CreatedInstaller }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { installer, installCommand, key } = created;
  const localHost = onlyLocalHost(installCommand);
  useWarningBeforeLeaving();
  return (
    <Section title={t('installers:made.title', { name: installer.name })}>
      <Stack gap="md" className={classes['made']}>
        <Alert color="yellow" py="xs" role="status">
          {t('installers:made.once', {
            count: installer.usesLeft,
            number: formatCount(installer.usesLeft),
            until: formatInstant(installer.validUntilMs),
          })}
        </Alert>
        {installer.state === 'early' && (
          <Alert py="xs" role="note">
            {t('installers:made.early', { version: installer.version })}
          </Alert>
        )}
        {localHost !== undefined && (
          <Alert color="red" py="xs" role="note">
            {t('installers:made.localWarning', { host: localHost })}
          </Alert>
        )}
        {created.approveEach && (
          <Alert py="xs" role="note">
            {t('installers:made.approveEach')}
          </Alert>
        )}
        <div>
          <CopyField label={t('installers:made.command')} value={installCommand} />
          <Text className="b-quiet" mt={4}>
            {t('installers:made.commandNote')}
          </Text>
        </div>
        <div>
          <CopyField label={t('installers:made.key')} value={key} />
          <Text className="b-quiet" mt={4}>
            {installer.isGeneric ? t('installers:made.keyGeneric') : t('installers:made.keyInside')}
          </Text>
        </div>
        <InstallerFiles installer={installer} />
        <Group>
          <Button onClick={() => void navigate({ to: loginPaths.installers })}>{t('installers:made.saved')}</Button>
        </Group>
      </Stack>
    </Section>
  );
}

/** The key cannot be shown again: the browser asks before the page is closed or loaded again. */
function useWarningBeforeLeaving(): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, []);
}
