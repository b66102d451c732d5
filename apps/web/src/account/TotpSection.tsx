import { useState, type SubmitEvent } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { toDataURL } from 'qrcode';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { totpBegin } from '@bascule/protocol/api/auth.ts';
import { CopyField } from '../shared/CopyField.tsx';
import { FormFailure } from '../shared/FormFailure.tsx';
import { Section, StateMark } from '../shared/Section.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { useLoggedIn, useRefreshMe } from '../shared/login-state.ts';
import { notifyDone } from '../shared/notify.ts';
import { apiPaths } from '../shared/paths.ts';
import { PasswordDialog } from './PasswordDialog.tsx';
import classes from './MyAccountPage.module.css';

type Begun = z.infer<typeof totpBegin>;

/** The authenticator app as second factor: set up by QR code or typed secret, or removed. */
export function TotpSection() {
  const { t } = useTranslation();
  const api = useApi();
  const active = useLoggedIn().secondFactors.includes('totp');
  const refreshMe = useRefreshMe();
  const [begun, setBegun] = useState<Begun>();
  const [asked, setAsked] = useState<'begin' | 'remove'>();
  const begin = async (password: string) => setBegun(await api.post(apiPaths.totpBegin, totpBegin, { password }));
  const remove = async (password: string) => {
    await api.post(apiPaths.totpRemove, anyAnswer, { password });
    await refreshMe();
    notifyDone(t('login:totp.removed'));
  };
  return (
    <Section title={t('login:totp.title')} note={t('login:totp.note')}>
      <div className={classes['panel']}>
        {active && (
          <Group justify="space-between">
            <StateMark tone="ok">{t('login:totp.active')}</StateMark>
            <Button variant="default" onClick={() => setAsked('remove')}>
              {t('login:totp.remove')}
            </Button>
          </Group>
        )}
        {!active && begun === undefined && (
          <Group justify="space-between">
            <StateMark tone="off">{t('login:totp.inactive')}</StateMark>
            <Button variant="default" onClick={() => setAsked('begin')}>
              {t('login:totp.setUp')}
            </Button>
          </Group>
        )}
        {!active && begun !== undefined && <TotpSetup begun={begun} onDone={() => setBegun(undefined)} />}
      </div>
      {asked === 'begin' && (
        <PasswordDialog
          title={t('login:totp.title')}
          consequences={t('login:totp.note')}
          confirm={t('login:totp.setUp')}
          onSubmit={begin}
          onClose={() => setAsked(undefined)}
        />
      )}
      {asked === 'remove' && (
        <PasswordDialog
          title={t('login:totp.removeTitle')}
          consequences={t('login:totp.removeConsequences')}
          confirm={t('login:totp.remove')}
          onSubmit={remove}
          onClose={() => setAsked(undefined)}
        />
      )}
    </Section>
  );
}

function TotpSetup({ begun, onDone }: { begun: Begun; onDone: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refreshMe = useRefreshMe();
  const [code, setCode] = useState('');
  const picture = useQuery({
    queryKey: ['totp-picture', begun.uri],
    queryFn: () => toDataURL(begun.uri, { margin: 2, scale: 4 }),
    gcTime: 0,
    staleTime: Infinity,
  });
  const confirm = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.totpConfirm, anyAnswer, { code: code.replace(/\s/g, '') });
      await refreshMe();
    },
    onSuccess: () => {
      notifyDone(t('login:totp.added'));
      onDone();
    },
    onError: () => setCode(''),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    confirm.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['secret']}>
      {picture.data === undefined ? (
        <div className={classes['qr']} />
      ) : (
        <img className={classes['qr']} src={picture.data} alt={t('login:totp.qr')} />
      )}
      <Stack gap="sm" component="div">
        <Text>{t('login:totp.scan')}</Text>
        <CopyField label={t('login:totp.secret')} value={begun.secret} />
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
        <FormFailure error={confirm.error} />
        <Group>
          <Button type="submit" loading={confirm.isPending}>
            {t('login:totp.confirm')}
          </Button>
          <Button variant="default" onClick={onDone}>
            {t('shared:cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
