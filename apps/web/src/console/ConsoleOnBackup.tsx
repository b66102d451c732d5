import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Anchor, Button, Group, Text } from '@mantine/core';
import { AccountMenu } from '../shared/AccountMenu.tsx';
import { PageHeader } from '../shared/PageHeader.tsx';
import { isStandby, onPrimary, useApplianceHeader } from '../shared/appliance-header.ts';
import { pagePaths } from '../shared/paths.ts';

/** The Console; on a backup, which has none, the way to the primary's. */
export function ConsoleOnBackup({ children }: { children: ReactNode }) {
  const { t } = useTranslation('console');
  const header = useApplianceHeader();
  const [wasServed, setWasServed] = useState(false);
  const standby = isStandby(header);
  if (header !== undefined && !standby && !wasServed) setWasServed(true);
  // Open terminals outlive a change of roles: they go on at the new primary under the same name.
  if (!standby || wasServed) return children;
  const href = onPrimary(header?.primaryUrl, window.location.pathname);
  return (
    <>
      <PageHeader interfaceName={t('title')}>
        <Button component="a" href={pagePaths.login} variant="default">
          {t('shared:site')}
        </Button>
        <AccountMenu />
      </PageHeader>
      <main className="b-page">
        <Alert role="status" title={t('login:standby.title.backup', { name: header?.appliance ?? '' })}>
          <Text mb="xs">{t(href === undefined ? 'login:standby.noPrimary' : 'login:standby.text')}</Text>
          <Group>
            {href !== undefined && (
              <Anchor href={href} underline="always">
                {t('login:standby.open')}
              </Anchor>
            )}
          </Group>
        </Alert>
      </main>
    </>
  );
}
