import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Menu, useMantineColorScheme } from '@mantine/core';
import { anyAnswer, ApiError } from './api-client.ts';
import { useApi } from './api-context.tsx';
import { forgetLogin, useLoggedIn } from './login-state.ts';
import { notifyFailure } from './notify.ts';
import { apiPaths } from './paths.ts';

const SCHEMES = ['auto', 'light', 'dark'] as const;

/** The person's menu at the right of the header: colours, log out. */
export function AccountMenu() {
  const { t } = useTranslation();
  const me = useLoggedIn();
  const logOut = useLogOut();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <Button variant="subtle" aria-label={t('shared:loggedInAs', { name: me.name })}>
          {me.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('shared:theme.label')}</Menu.Label>
        {SCHEMES.map((scheme) => (
          <Menu.Item
            key={scheme}
            role="menuitemradio"
            aria-checked={scheme === colorScheme}
            onClick={() => setColorScheme(scheme)}
          >
            {scheme === colorScheme ? '● ' : '○ '}
            {t(`shared:theme.${scheme}`)}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={logOut}>{t('shared:logOut')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** Ends this login session and forgets everything that was read with it. */
export function useLogOut(): () => void {
  const api = useApi();
  const client = useQueryClient();
  return () => {
    api
      .post(apiPaths.logout, anyAnswer)
      .then(() => forgetLogin(client))
      .catch((error: unknown) => {
        // A login that is over already is what was wanted.
        if (error instanceof ApiError && error.status === 401) forgetLogin(client);
        else notifyFailure(error);
      });
  };
}
