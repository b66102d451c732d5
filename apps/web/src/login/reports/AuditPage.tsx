import { useMemo, useState } from 'react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useDebouncedValue } from '@mantine/hooks';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Button, Group, TextInput } from '@mantine/core';
import { auditPage, type auditRow } from '@bascule/protocol/api/site.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';

type AuditRow = z.infer<typeof auditRow>;
const PAGE_ROWS = 100;
const TYPING_PAUSE_MS = 300;
const SEARCH_MAX_CHARACTERS = 100;

/** Reports > Audit: every change, who made it and from where; the export is what the verifier checks. */
export function AuditPage() {
  const { t } = useTranslation();
  const api = useApi();
  const [typed, setTyped] = useState('');
  const [text] = useDebouncedValue(typed.trim(), TYPING_PAUSE_MS);
  const audit = useInfiniteQuery({
    queryKey: ['audit', text],
    queryFn: ({ pageParam, signal }) => api.get(apiPaths.audit, auditPage, { text, before: pageParam, limit: PAGE_ROWS }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => (page.more ? page.events.at(-1)?.sequence : undefined),
    placeholderData: (previous) => previous,
  });
  const columns = useAuditColumns();
  const rows = useMemo(() => audit.data?.pages.flatMap((page) => page.events), [audit.data]);
  const actions = (
    <>
      <TextInput
        size="xs"
        w={240}
        type="search"
        aria-label={t('login:audit.search')}
        placeholder={t('login:audit.search')}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        maxLength={SEARCH_MAX_CHARACTERS}
      />
      <Button component="a" href={api.url(apiPaths.auditExport)} download variant="default">
        {t('login:audit.export')}
      </Button>
      <Button component="a" href={api.url(apiPaths.verifier)} download variant="default">
        {t('login:reports.downloadVerifier')}
      </Button>
    </>
  );
  return (
    <Section title={t('login:audit.title')} note={t('login:audit.note')} actions={actions}>
      {audit.isError && audit.data === undefined ? (
        <QueryFailure query={audit} />
      ) : (
        <DataTable
          label={t('login:audit.title')}
          rows={rows}
          rowKey={(row) => String(row.sequence)}
          columns={columns}
          empty={t('login:audit.empty')}
        />
      )}
      {audit.hasNextPage && (
        <Group justify="center" mt="sm">
          <Button variant="default" loading={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
            {t('shared:more')}
          </Button>
        </Group>
      )}
    </Section>
  );
}

function useAuditColumns(): Column<AuditRow>[] {
  const { t } = useTranslation();
  return useMemo<Column<AuditRow>[]>(
    () => [
      {
        key: 'sequence',
        header: t('login:audit.sequence'),
        cell: (row) => <span className="b-mono b-quiet">{row.sequence}</span>,
        align: 'right',
        width: '70px',
      },
      {
        key: 'at',
        header: t('login:audit.at'),
        cell: (row) => <span className="b-mono">{formatInstant(row.atMs)}</span>,
        width: '170px',
      },
      { key: 'actor', header: t('login:audit.actor'), cell: (row) => row.actor },
      { key: 'address', header: t('login:audit.address'), cell: (row) => <span className="b-mono">{row.address}</span> },
      {
        key: 'summary',
        header: t('login:audit.summary'),
        cell: (row) => <span title={JSON.stringify(row.details)}>{row.summary}</span>,
        width: '50%',
        wrap: true,
      },
      { key: 'code', header: t('login:audit.code'), cell: (row) => <span className="b-mono b-quiet">{row.code}</span> },
    ],
    [t],
  );
}
