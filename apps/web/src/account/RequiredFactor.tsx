import { useTranslation } from 'react-i18next';
import { Button, Stack, Text } from '@mantine/core';
import { useLogOut } from '../shared/AccountMenu.tsx';
import { PasskeysSection } from './PasskeysSection.tsx';
import { TotpSection } from './TotpSection.tsx';

/** A second factor that the rules ask for, set up before anything else works: the page goes on by itself when there is one. */
export function RequiredFactor() {
  const { t } = useTranslation();
  const logOut = useLogOut();
  return (
    <Stack gap="sm">
      <Text>{t('login:setUpFactor')}</Text>
      <TotpSection />
      <PasskeysSection />
      <Button variant="subtle" onClick={logOut}>
        {t('login:otherUser')}
      </Button>
    </Stack>
  );
}
