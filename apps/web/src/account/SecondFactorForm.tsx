import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Stack, Text, TextInput } from '@mantine/core';
import { loginAnswer, type Me } from '@bascule/protocol/api/auth.ts';
import { useLogOut } from '../shared/AccountMenu.tsx';
import { FormFailure } from '../shared/FormFailure.tsx';
import { useApi } from '../shared/api-context.tsx';
import { useRefreshMe } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';
import { usePasskeyLogin } from './passkey-login.ts';

/** The second factor after the password: a code from the authenticator app, or a passkey. */
export function SecondFactorForm({ factors }: { factors: Me['secondFactors'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refreshMe = useRefreshMe();
  const logOut = useLogOut();
  const passkey = usePasskeyLogin();
  const [code, setCode] = useState('');
  const totp = useMutation({
    mutationFn: async () => {
      api.setCsrf((await api.post(apiPaths.loginTotp, loginAnswer, { code: code.replace(/\s/g, '') })).csrf);
      await refreshMe();
    },
    onError: () => setCode(''),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    totp.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {factors.includes('totp') && (
          <>
            <Text>{t('login:totp.ask')}</Text>
            <TextInput
              label={t('login:totp.code')}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              inputMode="numeric"
              autoComplete="one-time-code"
              maxLength={7}
              autoFocus
              required
              withAsterisk={false}
            />
          </>
        )}
        <FormFailure error={passkey.error ?? totp.error} texts={{ ACCOUNT_LOGIN_FAILED: t('errors:ACCOUNT_CODE_REFUSED') }} />
        {factors.includes('totp') && (
          <Button size="sm" type="submit" loading={totp.isPending}>
            {t('login:totp.confirm')}
          </Button>
        )}
        {factors.includes('passkey') && (
          <Button size="sm" variant="default" loading={passkey.isPending} onClick={() => passkey.mutate()}>
            {t('login:passkey.use')}
          </Button>
        )}
        <Button variant="subtle" onClick={logOut}>
          {t('login:otherUser')}
        </Button>
      </Stack>
    </form>
  );
}
