import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { z } from 'zod';
import type { createdInstallerToken, installerToken } from '@bascule/protocol/api/jump.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { CreateTokenDialog } from './CreateTokenDialog.tsx';
import { CreatedTokenDialog } from './CreatedTokenDialog.tsx';
import { useInstallerTokens, useRefreshJump } from './jump-queries.ts';

type InstallerToken = z.infer<typeof installerToken>;
export type CreatedInstallerToken = z.infer<typeof createdInstallerToken>;

/** Jump > Installer tokens: each lets machines enrol as Jump Clients, within its time and uses. */
export function InstallerTokensPage() {
  const { t } = useTranslation();
  const tokens = useInstallerTokens();
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<CreatedInstallerToken>();
  const { ask, dialog } = useConfirm();
  const columns = useTokenColumns(useRevokeToken(ask));
  return (
    <Section
      title={t('login:token.title')}
      note={t('login:token.note')}
      actions={<Button onClick={() => setCreating(true)}>{t('login:token.create')}</Button>}
    >
      {tokens.isError && tokens.data === undefined ? (
        <QueryFailure query={tokens} />
      ) : (
        <DataTable
          label={t('login:token.title')}
          rows={tokens.data?.tokens}
          rowKey={(token) => token.id}
          columns={columns}
          initialSort={[{ id: 'created', desc: true }]}
          empty={t('login:token.empty')}
        />
      )}
      {creating && <CreateTokenDialog onCreated={setCreated} onClose={() => setCreating(false)} />}
      {created !== undefined && <CreatedTokenDialog created={created} onClose={() => setCreated(undefined)} />}
      {dialog}
    </Section>
  );
}

function useTokenColumns(revoke: (token: InstallerToken) => void): Column<InstallerToken>[] {
  const { t } = useTranslation();
  return useMemo<Column<InstallerToken>[]>(
    () => [
      {
        key: 'name',
        header: t('login:token.name'),
        cell: (token) => <span style={{ fontWeight: 550 }}>{token.name}</span>,
        sortBy: (token) => token.name,
      },
      {
        key: 'state',
        header: t('login:token.state'),
        cell: (token) => (
          <StateMark tone={token.state === 'valid' ? 'ok' : 'off'}>{t(`login:token.states.${token.state}`)}</StateMark>
        ),
        sortBy: (token) => token.state,
      },
      {
        key: 'validUntil',
        header: t('login:token.validUntil'),
        cell: (token) => <span className="b-mono">{formatInstant(token.validUntilMs)}</span>,
        sortBy: (token) => token.validUntilMs,
      },
      {
        key: 'uses',
        header: t('login:token.uses'),
        cell: (token) => t('login:token.usesOf', { used: token.uses - token.usesLeft, total: token.uses }),
        sortBy: (token) => token.uses - token.usesLeft,
        align: 'right',
      },
      {
        key: 'group',
        header: t('login:jump.group'),
        cell: (token) => token.groupName ?? <span className="b-quiet">–</span>,
        sortBy: (token) => token.groupName ?? '',
      },
      {
        key: 'approval',
        header: t('login:token.approval'),
        cell: (token) => (token.approveEach ? t('login:token.approveEach') : t('login:token.approvedAtOnce')),
      },
      {
        key: 'created',
        header: t('login:token.created'),
        cell: (token) => (
          <span title={formatInstant(token.createdAtMs)}>
            {t('login:token.createdBy', { by: token.createdBy, at: formatInstant(token.createdAtMs) })}
          </span>
        ),
        sortBy: (token) => token.createdAtMs,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (token) =>
          token.state === 'valid' ? (
            <Button variant="default" onClick={() => revoke(token)} aria-label={`${t('login:token.revoke')} ${token.name}`}>
              {t('login:token.revoke')}
            </Button>
          ) : null,
      },
    ],
    [t, revoke],
  );
}

function useRevokeToken(ask: ReturnType<typeof useConfirm>['ask']): (token: InstallerToken) => void {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  return useMemo(
    () => (token) =>
      ask({
        title: t('login:token.revokeTitle', { name: token.name }),
        consequences: t('login:token.revokeConsequences', { count: token.usesLeft }),
        confirm: t('login:token.revoke'),
        dangerous: true,
        act: async () => {
          await api.post(apiPaths.revokeInstallerToken(token.id), anyAnswer);
          await refresh();
        },
      }),
    [ask, t, api, refresh],
  );
}
