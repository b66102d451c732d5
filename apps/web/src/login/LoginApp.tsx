import { RouterProvider } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { LoginGate } from '../account/LoginGate.tsx';
import { loginRouter } from './login-router.tsx';

/** The interface /login: status, own account, Jump, users and security, reports. */
export function LoginApp() {
  const { t } = useTranslation();
  return (
    <LoginGate interfaceName={t('shared:site')}>
      <RouterProvider router={loginRouter} />
    </LoginGate>
  );
}
