import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { loginAnswer } from '@bascule/protocol/api/auth.ts';
import { FormFailure } from '../shared/FormFailure.tsx';
import { useApi } from '../shared/api-context.tsx';
import { useRefreshMe } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';
import { usePasskeyLogin } from './passkey-login.ts';

/** Name and password, or a passkey instead of both. */
export function PasswordLoginForm() {
  const { t } = useTranslation();
  const api = useApi();
  const refreshMe = useRefreshMe();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const login = useMutation({
    mutationFn: async () => {
      api.setCsrf((await api.post(apiPaths.login, loginAnswer, { name, password })).csrf);
      await refreshMe();
    },
    onError: () => setPassword(''),
  });
  const passkey = usePasskeyLogin();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    passkey.reset();
    login.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          label={t('login:name')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoComplete="username"
          autoFocus
          required
          withAsterisk={false}
        />
        <PasswordInput
          label={t('login:password')}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="current-password"
          required
          withAsterisk={false}
          visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
        />
        <FormFailure error={passkey.error ?? login.error} />
        <Button size="sm" type="submit" loading={login.isPending}>
          {t('login:logIn')}
        </Button>
        <Button size="sm" variant="default" loading={passkey.isPending} onClick={() => (login.reset(), passkey.mutate())}>
          {t('login:logInWithPasskey')}
        </Button>
      </Stack>
    </form>
  );
}
