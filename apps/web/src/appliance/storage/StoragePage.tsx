import { useMemo } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Skeleton } from '@mantine/core';
import { retentionState, storage as storageSchema, type Storage } from '@bascule/protocol/api/storage.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { diskTone } from '../basics-tones.ts';
import { RetentionForm } from './RetentionForm.tsx';
import classes from './storage.module.css';

const KEY = ['storage'] as const;
const REFRESH_MS = 5_000;

/** Storage: what takes how much of the disk, what is kept free, and how long recordings and reports are kept. */
export function StoragePage() {
  const { t } = useTranslation();
  const api = useApi();
  const storage = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => api.get(apiPaths.storage, storageSchema, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  const retention = useQuery({
    queryKey: [...KEY, 'retention'],
    queryFn: ({ signal }) => api.get(apiPaths.retention, retentionState, {}, signal),
  });
  if (storage.isError && storage.data === undefined) return <QueryFailure query={storage} />;
  if (storage.data === undefined) return <Skeleton height={640} aria-label={t('shared:loading')} />;
  return (
    <>
      <UsageSection storage={storage.data} />
      <ReservedSection storage={storage.data} />
      <Section title={t('storage:retention.title')} note={t('storage:retention.note')}>
        {retention.isError && retention.data === undefined && <QueryFailure query={retention} />}
        {retention.data !== undefined && <RetentionForm saved={retention.data} />}
      </Section>
    </>
  );
}

type Usage = Storage['usage'][number];

function UsageSection({ storage }: { storage: Storage }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const measure = useMutation({
    mutationFn: async () => client.setQueryData(KEY, await api.post(apiPaths.measureStorage, storageSchema)),
  });
  const columns = useMemo<Column<Usage>[]>(
    () => [
      { key: 'kind', header: t('storage:usage.kind'), cell: (row) => t(`storage:kind.${row.kind}`), width: '220px' },
      {
        key: 'bytes',
        header: t('storage:usage.bytes'),
        cell: (row) => formatBytes(row.bytes),
        sortBy: (row) => row.bytes,
        align: 'right',
        width: '110px',
      },
      {
        key: 'files',
        header: t('storage:usage.files'),
        cell: (row) => formatCount(row.files),
        sortBy: (row) => row.files,
        align: 'right',
        width: '110px',
      },
      { key: 'about', header: t('storage:usage.about'), cell: (row) => t(`storage:about.${row.kind}`), wrap: true },
    ],
    [t],
  );
  const isMeasured = storage.measuredAtMs !== null;
  const when = isMeasured
    ? t('storage:usage.measured', { time: formatInstant(storage.measuredAtMs ?? 0) })
    : t('storage:usage.notYet');
  return (
    <Section
      title={t('storage:usage.title')}
      note={storage.measuring ? t('storage:usage.measuring') : when}
      actions={
        <Button variant="default" loading={measure.isPending || storage.measuring} onClick={() => measure.mutate()}>
          {t('storage:usage.measure')}
        </Button>
      }
    >
      <FormFailure error={measure.error} />
      <p>
        <StateMark tone={diskTone(storage)}>
          {t('storage:usage.free', {
            free: formatBytes(storage.freeBytes),
            total: formatBytes(storage.totalBytes),
            path: storage.path,
          })}
        </StateMark>
      </p>
      <meter
        className={classes['meter']}
        aria-label={t('storage:usage.meter')}
        min={0}
        max={storage.totalBytes}
        value={storage.totalBytes - storage.freeBytes}
      />
      {isMeasured && (
        <DataTable
          label={t('storage:usage.title')}
          rows={storage.usage}
          rowKey={(row) => row.kind}
          columns={columns}
          empty={t('shared:none')}
        />
      )}
    </Section>
  );
}

function ReservedSection({ storage }: { storage: Storage }) {
  const { t } = useTranslation();
  return (
    <Section title={t('storage:reserved.title')} note={t('storage:reserved.note')}>
      <Facts
        rows={storage.reserved.map(({ purpose, bytes, held }) => [
          t(`storage:reserve.${purpose}`),
          <StateMark key={purpose} tone={held ? 'ok' : 'bad'}>
            {held ? t('storage:reserved.held', { bytes: formatBytes(bytes) }) : t('storage:reserved.gone')}
          </StateMark>,
        ])}
      />
    </Section>
  );
}
