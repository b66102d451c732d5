import { useMemo } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Button } from '@mantine/core';
import { loginSessions, type loginSessionRow } from '@bascule/protocol/api/auth.ts';
import { useConfirm } from '../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../shared/DataTable.tsx';
import { QueryFailure } from '../shared/QueryFailure.tsx';
import { Section } from '../shared/Section.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { formatInstant } from '../shared/format.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';
import { browserName } from './browser-name.ts';

type LoginSession = z.infer<typeof loginSessionRow>;

/** Where this account is logged in, and a way to end what should not be. */
export function LoginSessionsSection() {
  const { t } = useTranslation();
  const api = useApi();
  const me = useLoggedIn();
  const sessions = useQuery({
    queryKey: ['login-sessions'],
    queryFn: ({ signal }) => api.get(apiPaths.loginSessions, loginSessions, {}, signal),
  });
  const { ask, dialog } = useConfirm();
  const { refetch } = sessions;
  const columns = useMemo<Column<LoginSession>[]>(() => {
    const end = (session: LoginSession) =>
      ask({
        title: t('login:sessions.endTitle', { address: session.address }),
        consequences: t('login:sessions.endConsequences', { browser: browserName(session.userAgent), address: session.address }),
        confirm: t('login:sessions.end'),
        dangerous: true,
        act: async () => {
          await api.delete(apiPaths.loginSession(session.id), anyAnswer);
          await refetch();
        },
      });
    return [
      {
        key: 'browser',
        header: t('login:sessions.browser'),
        cell: (session) => <span title={session.userAgent}>{browserName(session.userAgent)}</span>,
        sortBy: (session) => browserName(session.userAgent),
      },
      {
        key: 'address',
        header: t('login:sessions.address'),
        cell: (session) => <span className="b-mono">{session.address}</span>,
        sortBy: (session) => session.address,
      },
      {
        key: 'created',
        header: t('login:sessions.since'),
        cell: (session) => <span className="b-mono">{formatInstant(session.createdAtMs)}</span>,
        sortBy: (session) => session.createdAtMs,
      },
      {
        key: 'seen',
        header: t('login:sessions.lastSeen'),
        cell: (session) => <span className="b-mono">{formatInstant(session.lastSeenAtMs)}</span>,
        sortBy: (session) => session.lastSeenAtMs,
      },
      {
        key: 'end',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (session) =>
          session.current ? (
            <span className="b-quiet">{t('login:sessions.current')}</span>
          ) : (
            <Button
              variant="default"
              onClick={() => end(session)}
              aria-label={t('login:sessions.endLabel', { address: session.address })}
            >
              {t('login:sessions.end')}
            </Button>
          ),
      },
    ];
  }, [t, ask, api, refetch]);
  return (
    <Section
      title={t('login:sessions.title')}
      note={t('login:sessions.note', { idle: formatInstant(me.idleEndsAtMs), latest: formatInstant(me.endsAtMs) })}
    >
      {sessions.isError && sessions.data === undefined ? (
        <QueryFailure query={sessions} />
      ) : (
        <DataTable
          label={t('login:sessions.title')}
          rows={sessions.data?.sessions}
          rowKey={(session) => session.id}
          columns={columns}
          initialSort={[{ id: 'seen', desc: true }]}
          empty={t('shared:none')}
        />
      )}
      {dialog}
    </Section>
  );
}
