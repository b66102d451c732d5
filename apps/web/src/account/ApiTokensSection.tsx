import { useMemo, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Modal, Stack, Text, TextInput } from '@mantine/core';
import {
  API_SCOPES,
  API_TOKEN_DAYS_MAX,
  apiTokens,
  createdApiToken,
  type ApiScope,
  type ApiToken,
} from '@bascule/protocol/api/failover.ts';
import { useConfirm } from '../shared/ConfirmDialog.tsx';
import { CopyField } from '../shared/CopyField.tsx';
import { DataTable, type Column } from '../shared/DataTable.tsx';
import { FormDialog } from '../shared/FormDialog.tsx';
import { LimitedNumberInput } from '../shared/LimitedNumberInput.tsx';
import { QueryFailure } from '../shared/QueryFailure.tsx';
import { Section, StateMark } from '../shared/Section.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { formatInstant, formatMinute } from '../shared/format.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';

const NAME_MAX_CHARACTERS = 100;
const DAYS_LIMITS = { min: 1, max: API_TOKEN_DAYS_MAX };
const FIRST_DAYS = 90;
const TOKENS_QUERY = ['api-tokens'];

/** My Account > API tokens: for load balancers and scripts. Only for site administrators: nobody else has rights that a token could carry. */
export function ApiTokensSection() {
  const isSite = useApi().prefix === '/api';
  const { role } = useLoggedIn();
  return isSite && role === 'administrator' ? <OwnTokens /> : null;
}

function OwnTokens() {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [isCreating, setCreating] = useState(false);
  const [secret, setSecret] = useState<string>();
  const { ask, dialog } = useConfirm();
  const refresh = () => client.invalidateQueries({ queryKey: TOKENS_QUERY });
  const tokens = useQuery({
    queryKey: TOKENS_QUERY,
    queryFn: ({ signal }) => api.get(apiPaths.apiTokens, apiTokens, {}, signal),
  });
  const revoke = (token: ApiToken) =>
    ask({
      title: t('login:apiTokens.revokeTitle', { name: token.name }),
      consequences: t('login:apiTokens.revokeConsequences'),
      confirm: t('login:apiTokens.revoke'),
      dangerous: true,
      act: async () => {
        await api.delete(apiPaths.apiToken(token.id), anyAnswer);
        await refresh();
      },
    });
  const create = async (token: { name: string; scopes: ApiScope[]; days: number }) => {
    const made = await api.post(apiPaths.apiTokens, createdApiToken, token);
    setSecret(made.secret);
    await refresh();
  };
  const actions = (
    <>
      <Button component="a" variant="default" href={api.url(apiPaths.openApi)} target="_blank" rel="noreferrer">
        {t('login:apiTokens.document')}
      </Button>
      <Button variant="default" onClick={() => setCreating(true)}>
        {t('login:apiTokens.create')}
      </Button>
    </>
  );
  return (
    <Section title={t('login:apiTokens.title')} note={t('login:apiTokens.note')} actions={actions}>
      {tokens.isError && tokens.data === undefined ? (
        <QueryFailure query={tokens} />
      ) : (
        <TokensTable tokens={tokens.data?.tokens} onRevoke={revoke} />
      )}
      {isCreating && <CreateTokenDialog onCreate={create} onClose={() => setCreating(false)} />}
      {secret !== undefined && !isCreating && <SecretDialog secret={secret} onClose={() => setSecret(undefined)} />}
      {dialog}
    </Section>
  );
}

function TokensTable({ tokens, onRevoke }: { tokens: ApiToken[] | undefined; onRevoke: (token: ApiToken) => void }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<ApiToken>[]>(
    () => [
      { key: 'name', header: t('login:apiTokens.name'), cell: ({ name }) => name, sortBy: ({ name }) => name },
      {
        key: 'scopes',
        header: t('login:apiTokens.scopes'),
        cell: ({ scopes }) => scopes.map((scope) => t(`login:apiTokens.scope.${scope.replace(':', '-')}`)).join(', '),
      },
      { key: 'created', header: t('login:apiTokens.created'), cell: ({ createdAtMs }) => <Instant atMs={createdAtMs} /> },
      { key: 'expires', header: t('login:apiTokens.expires'), cell: ({ expiresAtMs }) => <Expiry atMs={expiresAtMs} /> },
      { key: 'used', header: t('login:apiTokens.lastUsed'), cell: ({ lastUsedAtMs }) => <Instant atMs={lastUsedAtMs} /> },
      {
        key: 'revoke',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (token) => (
          <Button variant="default" onClick={() => onRevoke(token)} aria-label={`${t('login:apiTokens.revoke')} ${token.name}`}>
            {t('login:apiTokens.revoke')}
          </Button>
        ),
      },
    ],
    [t, onRevoke],
  );
  return (
    <DataTable
      label={t('login:apiTokens.title')}
      rows={tokens}
      rowKey={({ id }) => id}
      columns={columns}
      empty={t('login:apiTokens.empty')}
    />
  );
}

function Instant({ atMs }: { atMs: number | null }) {
  const { t } = useTranslation();
  return <span className="b-mono">{atMs === null ? t('shared:never') : formatInstant(atMs)}</span>;
}

function Expiry({ atMs }: { atMs: number }) {
  const { t } = useTranslation();
  if (atMs <= Date.now()) return <StateMark tone="bad">{t('login:apiTokens.expired', { at: formatMinute(atMs) })}</StateMark>;
  return <span className="b-mono">{formatMinute(atMs)}</span>;
}

interface CreateTokenDialogProps {
  onCreate: (token: { name: string; scopes: ApiScope[]; days: number }) => Promise<void>;
  onClose: () => void;
}

function CreateTokenDialog({ onCreate, onClose }: CreateTokenDialogProps) {
  const { t } = useTranslation();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<ApiScope[]>([API_SCOPES[0]]);
  const [days, setDays] = useState(FIRST_DAYS);
  return (
    <FormDialog
      title={t('login:apiTokens.create')}
      confirm={t('login:apiTokens.create')}
      onSubmit={() => onCreate({ name, scopes, days })}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <TextInput
            label={t('login:apiTokens.name')}
            description={t('login:apiTokens.nameNote')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={faultOf('body.name')}
            maxLength={NAME_MAX_CHARACTERS}
            required
            withAsterisk={false}
            data-autofocus
          />
          <Checkbox.Group
            label={t('login:apiTokens.scopes')}
            value={scopes}
            onChange={(chosen) => setScopes(API_SCOPES.filter((scope) => chosen.includes(scope)))}
            error={faultOf('body.scopes', t('login:apiTokens.chooseScope'))}
          >
            <Stack gap={6} mt={4}>
              {API_SCOPES.map((scope) => (
                <Checkbox
                  key={scope}
                  value={scope}
                  label={t(`login:apiTokens.scope.${scope.replace(':', '-')}`)}
                  description={t(`login:apiTokens.scopeNote.${scope.replace(':', '-')}`)}
                />
              ))}
            </Stack>
          </Checkbox.Group>
          <LimitedNumberInput
            label={t('login:apiTokens.days')}
            limits={DAYS_LIMITS}
            value={days}
            onChange={setDays}
            fault={faultOf('body.days')}
          />
        </>
      )}
    </FormDialog>
  );
}

function SecretDialog({ secret, onClose }: { secret: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened
      onClose={onClose}
      title={t('login:apiTokens.made')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('shared:close') }}
    >
      <Stack gap="sm">
        <CopyField label={t('login:apiTokens.secret')} value={secret} />
        <Text>{t('login:apiTokens.once')}</Text>
        <div>
          <Button onClick={onClose}>{t('login:apiTokens.saved')}</Button>
        </div>
      </Stack>
    </Modal>
  );
}
