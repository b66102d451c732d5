import { useMemo } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { useLoggedIn } from '../../shared/login-state.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useActiveSessions } from './site-status.ts';

/** The access sessions that run now, with End: administrators end any, others their own (the server decides again). */
export function ActiveSessionsTable() {
  const { t } = useTranslation();
  const sessions = useActiveSessions();
  const { ask, dialog } = useConfirm();
  const end = useEndSession(ask);
  const columns = useMemo<Column<AccessSessionRow>[]>(
    () => [
      { key: 'user', header: t('login:session.user'), cell: (row) => row.userName, sortBy: (row) => row.userName },
      { key: 'item', header: t('login:session.item'), cell: (row) => row.jumpItemName, sortBy: (row) => row.jumpItemName },
      {
        key: 'runsAs',
        header: t('login:session.runsAs'),
        cell: (row) => <span className="b-mono">{row.runsAs}</span>,
        sortBy: (row) => row.runsAs,
      },
      { key: 'state', header: t('login:session.state'), cell: (row) => <LiveState row={row} /> },
      {
        key: 'started',
        header: t('login:session.started'),
        cell: (row) => <span className="b-mono">{formatInstant(row.startedAtMs)}</span>,
        sortBy: (row) => row.startedAtMs,
      },
      {
        key: 'from',
        header: t('login:session.from'),
        cell: (row) => <span className="b-mono">{row.fromAddress}</span>,
        sortBy: (row) => row.fromAddress,
      },
      {
        key: 'viewers',
        header: t('login:session.viewers'),
        cell: (row) => row.viewers,
        sortBy: (row) => row.viewers,
        align: 'right',
      },
      {
        key: 'end',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (row) => <EndButton row={row} onEnd={end} />,
      },
    ],
    [t, end],
  );
  if (sessions.isError && sessions.data === undefined) return <QueryFailure query={sessions} />;
  return (
    <>
      <DataTable
        label={t('login:status.activeSessions')}
        rows={sessions.data?.sessions}
        rowKey={(row) => row.id}
        columns={columns}
        initialSort={[{ id: 'started', desc: true }]}
        empty={t('login:session.noneActive')}
      />
      {dialog}
    </>
  );
}

function EndButton({ row, onEnd }: { row: AccessSessionRow; onEnd: (row: AccessSessionRow) => void }) {
  const { t } = useTranslation();
  const me = useLoggedIn();
  if (me.role !== 'administrator' && row.userId !== me.id) return null;
  return (
    <Button
      variant="default"
      onClick={() => onEnd(row)}
      aria-label={t('login:session.endLabel', { item: row.jumpItemName, user: row.userName })}
    >
      {t('login:session.end')}
    </Button>
  );
}

function useEndSession(ask: ReturnType<typeof useConfirm>['ask']): (row: AccessSessionRow) => void {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  return useMemo(
    () => (row) =>
      ask({
        title: t('login:session.endTitle', { item: row.jumpItemName }),
        consequences: t('login:session.endConsequences', { user: row.userName, item: row.jumpItemName }),
        confirm: t('login:session.endConfirm'),
        dangerous: true,
        act: async () => {
          await api.post(apiPaths.endAccessSession(row.id), anyAnswer);
          await client.invalidateQueries({ queryKey: ['active-sessions'] });
        },
      }),
    [ask, t, api, client],
  );
}

/** What a live session is doing; what hinders it comes first. */
export function LiveState({ row }: { row: AccessSessionRow }) {
  const { t } = useTranslation();
  if (row.state !== 'live') return <StateMark tone="off">{t(`shared:sessionState.${row.state}`)}</StateMark>;
  if (row.paused) return <StateMark tone="bad">{t('login:session.paused')}</StateMark>;
  if (!row.agentConnected) return <StateMark tone="warn">{t('login:session.clientAway')}</StateMark>;
  return <StateMark tone="ok">{t('shared:sessionState.live')}</StateMark>;
}
