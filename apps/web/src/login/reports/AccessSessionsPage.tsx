import { useMemo } from 'react';
import { Link } from '@tanstack/react-router';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group } from '@mantine/core';
import { accessSessionReport, type AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatDuration, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { loginPaths } from '../login-paths.ts';
import { LiveState } from '../status/ActiveSessionsTable.tsx';
import { AccessSessionFilters } from './AccessSessionFilters.tsx';
import { accessSessionQuery, type AccessSessionSearch } from './access-session-search.ts';

const PAGE_ROWS = 100;

/** Reports > Access Sessions: all that ever ran, newest first; the filters stand in the address. */
export function AccessSessionsPage({
  search,
  onSearch,
}: {
  search: AccessSessionSearch;
  onSearch: (search: AccessSessionSearch) => void;
}) {
  const { t } = useTranslation();
  const api = useApi();
  const report = useInfiniteQuery({
    queryKey: ['access-session-report', search],
    queryFn: ({ pageParam, signal }) =>
      api.get(
        apiPaths.accessSessionReports,
        accessSessionReport,
        { ...accessSessionQuery(search), before: pageParam, limit: PAGE_ROWS },
        signal,
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page.more ? page.sessions.at(-1)?.id : undefined),
    placeholderData: (previous) => previous,
  });
  const columns = useReportColumns();
  const rows = useMemo(() => report.data?.pages.flatMap((page) => page.sessions), [report.data]);
  const filtered = Object.values(search).some((value) => value !== undefined);
  return (
    <Section title={t('login:reports.title')}>
      <AccessSessionFilters search={search} onSearch={onSearch} />
      {report.isError && report.data === undefined ? (
        <QueryFailure query={report} />
      ) : (
        <DataTable
          label={t('login:reports.title')}
          rows={rows}
          rowKey={(row) => row.id}
          columns={columns}
          empty={filtered ? t('login:reports.noMatch') : t('login:reports.empty')}
        />
      )}
      {report.hasNextPage && (
        <Group justify="center" mt="sm">
          <Button variant="default" loading={report.isFetchingNextPage} onClick={() => void report.fetchNextPage()}>
            {t('shared:more')}
          </Button>
        </Group>
      )}
    </Section>
  );
}

function useReportColumns(): Column<AccessSessionRow>[] {
  const { t } = useTranslation();
  return useMemo<Column<AccessSessionRow>[]>(
    () => [
      {
        key: 'started',
        header: t('login:session.started'),
        cell: (row) => (
          <Link to={loginPaths.accessSession} params={{ sessionId: row.id }} className="b-mono">
            {formatInstant(row.startedAtMs)}
          </Link>
        ),
      },
      {
        key: 'length',
        header: t('login:session.length'),
        cell: (row) => (row.endedAtMs === null ? '' : formatDuration(row.endedAtMs - row.startedAtMs)),
        align: 'right',
      },
      { key: 'user', header: t('login:session.user'), cell: (row) => row.userName },
      { key: 'item', header: t('login:session.item'), cell: (row) => row.jumpItemName },
      { key: 'runsAs', header: t('login:session.runsAs'), cell: (row) => <span className="b-mono">{row.runsAs}</span> },
      { key: 'from', header: t('login:session.from'), cell: (row) => <span className="b-mono">{row.fromAddress}</span> },
      {
        key: 'end',
        header: t('login:session.endReason'),
        cell: (row) => (row.endReason === null ? <LiveState row={row} /> : t(`shared:endReason.${row.endReason}`)),
      },
      { key: 'bytes', header: t('login:session.output'), cell: (row) => formatBytes(row.outBytes), align: 'right' },
      {
        key: 'recording',
        header: t('login:session.recording'),
        cell: (row) => (row.recordingBytes === null ? <span className="b-quiet">–</span> : formatBytes(row.recordingBytes)),
        align: 'right',
      },
    ],
    [t],
  );
}
