import { useMemo, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Button } from '@mantine/core';
import { history as historySchema } from '@bascule/protocol/api/updates.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatDuration, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { LogDialog } from './LogDialog.tsx';
import { causeTexts, packageName, stepText } from './update-texts.ts';
import { hasGoneBack, isForward, type Tone } from './updates-model.ts';
import { HISTORY_KEY } from './updates-queries.ts';

type Row = z.infer<typeof historySchema>['installations'][number];
const REFRESH_MS = 10_000;
const TONES: Record<Row['outcome'], Tone> = {
  running: 'warn',
  installed: 'ok',
  downloaded: 'ok',
  tried: 'ok',
  'rolled-back': 'warn',
  cancelled: 'off',
  failed: 'bad',
};

/** Updates > History: who did what, when, how long it took, how it ended, and its log. */
export function HistoryPage() {
  const { t } = useTranslation();
  const api = useApi();
  const history = useQuery({
    queryKey: HISTORY_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.updatesHistory, historySchema, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  const [shown, setShown] = useState<Row>();
  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        key: 'at',
        header: t('updates:history.at'),
        cell: (row) => <span className="b-mono">{formatInstant(row.startedAtMs)}</span>,
        sortBy: (row) => row.startedAtMs,
      },
      {
        key: 'operation',
        header: t('updates:history.operation'),
        cell: (row) => t(`updates:history.operations.${isForward(row) ? 'change' : row.operation}`),
      },
      {
        key: 'package',
        header: t('appliance:packages.kind'),
        cell: (row) =>
          packageName(t, row.kind, row.fromVersion === null ? row.toVersion : `${row.fromVersion} → ${row.toVersion}`),
      },
      { key: 'who', header: t('updates:history.who'), cell: (row) => row.startedBy, sortBy: (row) => row.startedBy },
      {
        key: 'length',
        header: t('updates:history.length'),
        cell: (row) => (row.endedAtMs === null ? '–' : formatDuration(row.endedAtMs - row.startedAtMs)),
        align: 'right',
      },
      {
        key: 'away',
        header: t('updates:history.unavailable'),
        cell: (row) => (row.unavailableMs === null ? '–' : `${Math.round(row.unavailableMs).toLocaleString()} ms`),
        align: 'right',
      },
      { key: 'outcome', header: t('updates:history.outcome'), cell: (row) => <Outcome row={row} />, wrap: true },
      {
        key: 'log',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (row) => (
          <Button
            variant="default"
            onClick={() => setShown(row)}
            aria-label={t('updates:log.title', { name: packageName(t, row.kind, row.toVersion) })}
          >
            {t('updates:history.log')}
          </Button>
        ),
      },
    ],
    [t],
  );
  if (history.isError && history.data === undefined) return <QueryFailure query={history} />;
  return (
    <Section title={t('updates:history.title')}>
      <DataTable
        label={t('updates:history.title')}
        rows={history.data?.installations}
        rowKey={(row) => row.id}
        columns={columns}
        empty={t('updates:history.empty')}
      />
      {shown !== undefined && (
        <LogDialog
          id={shown.id}
          title={`${packageName(t, shown.kind, shown.toVersion)}, ${formatInstant(shown.startedAtMs)}`}
          onClose={() => setShown(undefined)}
        />
      )}
    </Section>
  );
}

function Outcome({ row }: { row: Row }) {
  const { t } = useTranslation();
  return (
    <>
      <StateMark tone={TONES[row.outcome]}>{t(`updates:history.outcomes.${outcomeText(row)}`)}</StateMark>
      {row.cause !== null && (
        <span className="b-quiet">
          {' '}
          {stepText(t, row.step, row.operation)}: {causeTexts(row.cause).message}
        </span>
      )}
    </>
  );
}

/** A roll back by button that worked is an installation of the version before; here it is called what it was. */
function outcomeText(row: Row): Row['outcome'] | 'went-back' {
  return hasGoneBack(row) ? 'went-back' : row.outcome;
}
