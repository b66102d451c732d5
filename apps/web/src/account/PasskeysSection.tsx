import { useMemo, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { startRegistration, type PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/browser';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Button, TextInput } from '@mantine/core';
import { passkeyOptions, passkeys as passkeysSchema, type passkeyRow } from '@bascule/protocol/api/auth.ts';
import { DataTable, type Column } from '../shared/DataTable.tsx';
import { Section } from '../shared/Section.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { formatInstant } from '../shared/format.ts';
import { useRefreshMe } from '../shared/login-state.ts';
import { notifyDone } from '../shared/notify.ts';
import { apiPaths } from '../shared/paths.ts';
import { PasswordDialog } from './PasswordDialog.tsx';
import { passkeyFailure } from './passkey-login.ts';

type Passkey = z.infer<typeof passkeyRow>;
const NAME_MAX_CHARACTERS = 64;

/** The own passkeys: add, list, remove. */
export function PasskeysSection() {
  const { t } = useTranslation();
  const api = useApi();
  const passkeys = useQuery({
    queryKey: ['passkeys'],
    queryFn: ({ signal }) => api.get(apiPaths.passkeys, passkeysSchema, {}, signal),
  });
  const [adding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<Passkey>();
  const columns = useMemo<Column<Passkey>[]>(
    () => [
      { key: 'name', header: t('login:passkey.name'), cell: (passkey) => passkey.name, sortBy: (passkey) => passkey.name },
      {
        key: 'created',
        header: t('login:passkey.added'),
        cell: (passkey) => <span className="b-mono">{formatInstant(passkey.createdAtMs)}</span>,
      },
      {
        key: 'used',
        header: t('login:passkey.lastUsed'),
        cell: (passkey) => (
          <span className="b-mono">
            {passkey.lastUsedAtMs === null ? t('shared:never') : formatInstant(passkey.lastUsedAtMs)}
          </span>
        ),
      },
      {
        key: 'remove',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (passkey) => (
          <Button
            variant="default"
            onClick={() => setRemoved(passkey)}
            aria-label={`${t('login:passkey.remove')} ${passkey.name}`}
          >
            {t('login:passkey.remove')}
          </Button>
        ),
      },
    ],
    [t],
  );
  return (
    <Section
      title={t('login:passkey.title')}
      note={t('login:passkey.note')}
      actions={
        <Button variant="default" onClick={() => setAdding(true)}>
          {t('login:passkey.add')}
        </Button>
      }
    >
      <DataTable
        label={t('login:passkey.title')}
        rows={passkeys.data?.passkeys}
        rowKey={(passkey) => passkey.id}
        columns={columns}
        empty={t('login:passkey.empty')}
      />
      {adding && <AddPasskeyDialog onClose={() => setAdding(false)} />}
      {removed !== undefined && <RemovePasskeyDialog passkey={removed} onClose={() => setRemoved(undefined)} />}
    </Section>
  );
}

function useRefreshPasskeys(): () => Promise<void> {
  const client = useQueryClient();
  const refreshMe = useRefreshMe();
  return async () => {
    await Promise.all([client.invalidateQueries({ queryKey: ['passkeys'] }), refreshMe()]);
  };
}

function AddPasskeyDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshPasskeys();
  const [name, setName] = useState('');
  const add = async (password: string) => {
    const { options } = await api.post(apiPaths.passkeyBegin, passkeyOptions, { password });
    const optionsJSON = options as unknown as PublicKeyCredentialCreationOptionsJSON;
    const response = await startRegistration({ optionsJSON }).catch((cause: unknown) => {
      throw passkeyFailure(cause);
    });
    await api.post(apiPaths.passkeyFinish, anyAnswer, { name, response });
    await refresh();
    notifyDone(t('login:passkey.done', { name }));
  };
  return (
    <PasswordDialog
      title={t('login:passkey.add')}
      consequences={t('login:passkey.addNote')}
      confirm={t('login:passkey.add')}
      onSubmit={add}
      onClose={onClose}
    >
      <TextInput
        label={t('login:passkey.name')}
        description={t('login:passkey.nameNote')}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        maxLength={NAME_MAX_CHARACTERS}
        required
        withAsterisk={false}
      />
    </PasswordDialog>
  );
}

function RemovePasskeyDialog({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshPasskeys();
  const remove = async (password: string) => {
    await api.post(apiPaths.passkeyRemove(passkey.id), anyAnswer, { password });
    await refresh();
  };
  return (
    <PasswordDialog
      title={t('login:passkey.removeTitle', { name: passkey.name })}
      consequences={t('login:passkey.removeConsequences', { name: passkey.name })}
      confirm={t('login:passkey.remove')}
      onSubmit={remove}
      onClose={onClose}
    />
  );
}
