import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { PlansState } from '@bascule/protocol/api/plans.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Section } from '../../shared/Section.tsx';
import { formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';

type Row = PlansState['earlier'][number];

/** Plans that have ended on this appliance, each with its signed report. */
export function EarlierPlans({ earlier }: { earlier: Row[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        key: 'at',
        header: t('plans:earlier.at'),
        cell: (row) => <span className="b-mono">{row.endedAtMs === null ? '–' : formatInstant(row.endedAtMs)}</span>,
      },
      { key: 'kind', header: t('plans:earlier.kind'), cell: (row) => t(`plans:kind.${row.kind}`) },
      { key: 'outcome', header: t('plans:earlier.outcome'), cell: (row) => t(`plans:state.${row.state}`) },
      {
        key: 'report',
        header: t('plans:earlier.report'),
        cell: (row) =>
          row.state === 'done' ? (
            <a href={`/appliance/api${apiPaths.planReport(row.id)}`} download>
              {t('plans:report.save')}
            </a>
          ) : (
            '–'
          ),
      },
    ],
    [t],
  );
  if (earlier.length === 0) return null;
  return (
    <Section title={t('plans:earlier.title')}>
      <DataTable label={t('plans:earlier.title')} rows={earlier} rowKey={(row) => row.id} columns={columns} empty="" />
    </Section>
  );
}
