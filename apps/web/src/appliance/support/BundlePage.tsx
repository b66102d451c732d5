import { useMemo } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { bundleContents, type BundleContents } from '@bascule/protocol/api/support.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';

type Member = BundleContents['members'][number];

/** Support > Bundle: what somebody who helps needs, shown before it is taken. */
export function BundlePage() {
  const { t } = useTranslation();
  const api = useApi();
  const contents = useQuery({
    queryKey: ['support', 'bundle'],
    queryFn: ({ signal }) => api.get(apiPaths.bundleContents, bundleContents, {}, signal),
  });
  const columns = useMemo<Column<Member>[]>(
    () => [
      {
        key: 'name',
        header: t('support:bundle.file'),
        cell: (row) => <span className="b-mono">{row.name}</span>,
        width: '320px',
      },
      { key: 'about', header: t('support:bundle.about'), cell: (row) => <span lang="en">{row.about}</span>, wrap: true },
      {
        key: 'bytes',
        header: t('support:bundle.size'),
        cell: (row) => formatBytes(row.bytes),
        align: 'right',
        width: '110px',
      },
    ],
    [t],
  );
  return (
    <Section
      title={t('support:bundle.title')}
      note={t('support:bundle.note')}
      actions={
        <Button component="a" href={api.url(apiPaths.bundle)} download>
          {t('support:bundle.download')}
        </Button>
      }
    >
      {contents.isError && contents.data === undefined ? (
        <QueryFailure query={contents} />
      ) : (
        <DataTable
          label={t('support:bundle.title')}
          rows={contents.data?.members}
          rowKey={(row) => row.name}
          columns={columns}
          empty={t('shared:none')}
        />
      )}
    </Section>
  );
}
