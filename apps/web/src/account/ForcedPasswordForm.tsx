import { useTranslation } from 'react-i18next';
import { Button, Stack, Text } from '@mantine/core';
import { useLogOut } from '../shared/AccountMenu.tsx';
import { useRefreshMe } from '../shared/login-state.ts';
import { NewPasswordForm } from './NewPasswordForm.tsx';

/** The new password that must be chosen after a login with a one-time password, before anything else works. */
export function ForcedPasswordForm({ name }: { name: string }) {
  const { t } = useTranslation();
  const refreshMe = useRefreshMe();
  const logOut = useLogOut();
  return (
    <Stack gap="sm">
      <Text>{t('login:newPassword.forced')}</Text>
      <NewPasswordForm name={name} askCurrent={false} autoFocus onDone={() => void refreshMe()} />
      <Button variant="subtle" onClick={logOut}>
        {t('login:otherUser')}
      </Button>
    </Stack>
  );
}
