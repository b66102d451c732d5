import { useTranslation } from 'react-i18next';
import { Button, Stack, Text } from '@mantine/core';
import type { Me } from '@bascule/protocol/api/auth.ts';
import { useLogOut } from '../shared/AccountMenu.tsx';
import { useRefreshMe } from '../shared/login-state.ts';
import { NewPasswordForm } from './NewPasswordForm.tsx';

/** The new password that must be chosen before anything else works: after a login with a one-time password, or when the present one is too old. */
export function ForcedPasswordForm({ me }: { me: Me }) {
  const { t } = useTranslation();
  const refreshMe = useRefreshMe();
  const logOut = useLogOut();
  return (
    <Stack gap="sm">
      <Text>{t(me.asksCurrentPassword === true ? 'login:newPassword.expired' : 'login:newPassword.forced')}</Text>
      <NewPasswordForm me={me} askCurrent={me.asksCurrentPassword === true} autoFocus onDone={() => void refreshMe()} />
      <Button variant="subtle" onClick={logOut}>
        {t('login:otherUser')}
      </Button>
    </Stack>
  );
}
