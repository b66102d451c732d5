import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Stack } from '@mantine/core';
import { VAULT_PASSWORD_MAX_CHARACTERS, VAULT_PASSWORD_MIN_CHARACTERS, type VaultKeyState } from '@bascule/protocol/api/vault.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { NewPasswordFields } from '../../shared/NewPasswordFields.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { useLoggedIn } from '../../shared/login-state.ts';
import { NO_PASSWORD, passwordProblem } from '../../shared/new-password.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { saveFile } from '../../shared/save-file.ts';
import { useRefreshVaultKey } from './vault-queries.ts';
import classes from './vault.module.css';

const RULES = { isRequired: true, minCharacters: VAULT_PASSWORD_MIN_CHARACTERS };

/** Download of the vault key (B195): the file always has a password. */
export function DownloadKeySection({ state }: { state: VaultKeyState }) {
  const { t } = useTranslation();
  const api = useApi();
  const { name } = useLoggedIn();
  const refresh = useRefreshVaultKey();
  const [password, setPassword] = useState(NO_PASSWORD);
  const download = useMutation({
    mutationFn: () => api.postForFile(apiPaths.vaultDownload, { password: password.password }),
    onSuccess: async ({ name: fileName, content }) => {
      saveFile(fileName, 'application/octet-stream', content);
      setPassword(NO_PASSWORD);
      notifyDone(t('vault:download.done', { file: fileName }));
      await refresh();
    },
  });
  const isValid = passwordProblem(password, RULES) === undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) download.mutate();
  };
  const isDue = state.download === null || state.download.isOutdated;
  return (
    <Section title={t('vault:download.title')} note={t('vault:download.note')}>
      <form onSubmit={submit} className={classes['form']}>
        {/* Password managers store a password under a name. */}
        <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
        <Stack gap="sm" className="b-panel">
          <NewPasswordFields
            label={t('vault:download.password')}
            repeatLabel={t('vault:download.repeat')}
            value={password}
            onChange={setPassword}
            rules={RULES}
            maxCharacters={VAULT_PASSWORD_MAX_CHARACTERS}
          />
          <p className={classes['line']}>{t('vault:download.means')}</p>
          <FormFailure error={download.error} />
          <Group>
            <Button type="submit" variant={isDue ? 'filled' : 'default'} loading={download.isPending} disabled={!isValid}>
              {t('vault:download.button')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
