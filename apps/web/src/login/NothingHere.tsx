import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Text } from '@mantine/core';
import { loginPaths } from './login-paths.ts';

/** The answer to an address that does not exist, or that this person may not see, with a way out. */
export function NothingHere() {
  const { t } = useTranslation();
  return (
    <Alert role="alert">
      <Text mb="xs">{t('errors:NOT_FOUND')}</Text>
      <Link to={loginPaths.status}>{t('login:toStatus')}</Link>
    </Alert>
  );
}
