import { useId, useRef, useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, PasswordInput, Stack } from '@mantine/core';
import {
  VAULT_FILE_MAX_BYTES,
  VAULT_PASSWORD_MAX_CHARACTERS,
  vaultRestored,
  vaultRestoreLook,
  type VaultRestoreLook,
} from '@bascule/protocol/api/vault.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Facts, Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { base64Of, groupedKeyId, secretText } from './vault-model.ts';
import { useTakeVaultKey } from './vault-queries.ts';
import classes from './vault.module.css';

/** Restores vault keys from a file (B194): first a look at what it would do, which changes nothing. */
export function RestoreKeySection({ isNeeded }: { isNeeded: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeVaultKey();
  const [file, setFile] = useState<File>();
  const [password, setPassword] = useState('');
  const bodyOf = async () => ({ file: file === undefined ? '' : await base64Of(file), password });
  const look = useMutation({ mutationFn: async () => api.post(apiPaths.vaultRestoreLook, vaultRestoreLook, await bodyOf()) });
  const restore = useMutation({
    mutationFn: async () => api.post(apiPaths.vaultRestore, vaultRestored, await bodyOf()),
    onSuccess: async ({ becameReadable, state }) => {
      clear();
      notifyDone(t('vault:restore.done', { count: becameReadable, number: formatCount(becameReadable) }));
      await take(state);
    },
  });
  // A look at another file, or with another password, says nothing about this one.
  const change = (act: () => void) => {
    act();
    look.reset();
    restore.reset();
  };
  const clear = () =>
    change(() => {
      setFile(undefined);
      setPassword('');
    });
  const isTooLarge = file !== undefined && file.size > VAULT_FILE_MAX_BYTES;
  const isReady = file !== undefined && !isTooLarge && password !== '';
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isReady) look.mutate();
  };
  return (
    <Section title={t('vault:restore.title')} note={t('vault:restore.note')}>
      <form onSubmit={submit} className={classes['form']}>
        <Stack gap="sm" className="b-panel">
          <FileField
            file={file}
            onFile={(next) => change(() => setFile(next))}
            fault={isTooLarge ? t('vault:restore.tooLarge', { limit: formatBytes(VAULT_FILE_MAX_BYTES) }) : undefined}
          />
          <PasswordInput
            label={t('vault:restore.password')}
            value={password}
            onChange={(event) => {
              const next = event.currentTarget.value;
              change(() => setPassword(next));
            }}
            maxLength={VAULT_PASSWORD_MAX_CHARACTERS}
            autoComplete="off"
            visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
            className={classes['field']}
          />
          <FormFailure error={look.error ?? restore.error} />
          {look.data === undefined ? (
            <Group>
              <Button type="submit" variant={isNeeded ? 'filled' : 'default'} loading={look.isPending} disabled={!isReady}>
                {t('vault:restore.look')}
              </Button>
            </Group>
          ) : (
            <>
              <Preview look={look.data} />
              <Group>
                <Button loading={restore.isPending} disabled={look.data.newKeyIds.length === 0} onClick={() => restore.mutate()}>
                  {t('vault:restore.confirm')}
                </Button>
                <Button variant="default" onClick={clear}>
                  {t('shared:cancel')}
                </Button>
              </Group>
            </>
          )}
        </Stack>
      </form>
    </Section>
  );
}

function FileField({ file, onFile, fault }: { file: File | undefined; onFile: (file: File) => void; fault: string | undefined }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const labelId = useId();
  return (
    <div role="group" aria-labelledby={labelId}>
      <div id={labelId} className={classes['label']}>
        {t('vault:restore.file')}
      </div>
      <Group gap="sm">
        <Button variant="default" onClick={() => input.current?.click()}>
          {t('vault:restore.choose')}
        </Button>
        <span role="status">{file === undefined ? <span className="b-quiet">{t('vault:restore.noFile')}</span> : file.name}</span>
      </Group>
      {fault !== undefined && (
        <p role="alert" className={classes['fault']}>
          {fault}
        </p>
      )}
      <input
        ref={input}
        type="file"
        className="b-visually-hidden"
        tabIndex={-1}
        aria-label={t('vault:restore.choose')}
        onChange={(event) => {
          const chosen = event.currentTarget.files?.[0];
          if (chosen !== undefined) onFile(chosen);
          event.currentTarget.value = '';
        }}
      />
    </div>
  );
}

/** What the file would do; nothing has been changed. */
function Preview({ look }: { look: VaultRestoreLook }) {
  const { t } = useTranslation();
  const { newKeyIds, becomesReadable, staysUnreadable, secrets } = look;
  const isWorthwhile = newKeyIds.length > 0;
  return (
    <div role="status">
      <Facts
        rows={[
          [t('vault:restore.from'), look.appliance],
          [t('vault:restore.made'), formatInstant(look.madeAtMs)],
          [t('vault:restore.keys'), look.keyIds.map((one) => groupedKeyId(one)).join(', ')],
        ]}
      />
      <Alert color={isWorthwhile ? 'accent' : 'yellow'} mt="sm" py="xs">
        {isWorthwhile
          ? t('vault:restore.becomes', { count: becomesReadable, number: formatCount(becomesReadable) })
          : t('vault:restore.nothing')}{' '}
        {staysUnreadable > 0 && t('vault:restore.stays', { count: staysUnreadable, number: formatCount(staysUnreadable) })}
        {secrets.length > 0 && (
          <ul className={classes['points']}>
            {secrets.map((secret, index) => (
              <li key={`${index} ${secret.kind} ${secret.name}`}>{secretText(secret)}</li>
            ))}
            {becomesReadable > secrets.length && <li>{t('vault:restore.more', { count: becomesReadable - secrets.length })}</li>}
          </ul>
        )}
      </Alert>
    </div>
  );
}
