import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button } from '@mantine/core';
import type { PairComparison } from '@bascule/protocol/api/certificates.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Section, StateMark, type Tone } from '../../shared/Section.tsx';
import { formatMinute } from '../../shared/format.ts';
import { usePairComparison } from './certificates-queries.ts';

type Row = PairComparison['names'][number];
const TONES: Record<Row['verdict'], Tone> = {
  same: 'ok',
  'same-key': 'ok',
  'other-key': 'warn',
  'not-covered-there': 'bad',
  'expired-there': 'bad',
  'unknown-there': 'off',
};

/** What the other appliance of a pair would serve after a takeover, name by name; nothing without a pair. */
export function PairSection() {
  const { t } = useTranslation();
  const comparison = usePairComparison();
  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        key: 'name',
        header: t('certificates:pair.name'),
        cell: (row) => <span className="b-mono">{row.name}</span>,
        sortBy: (row) => row.name,
      },
      { key: 'here', header: t('certificates:pair.here'), cell: (row) => sideText(row.here), wrap: true },
      { key: 'there', header: t('certificates:pair.there'), cell: (row) => sideText(row.there), wrap: true },
      {
        key: 'verdict',
        header: t('certificates:pair.after'),
        cell: (row) => (
          <>
            <StateMark tone={TONES[row.verdict]}>{t(`certificates:pair.verdict.${row.verdict}`)}</StateMark>
            <div className="b-quiet">{t(`certificates:pair.do.${row.verdict}`)}</div>
          </>
        ),
        wrap: true,
      },
    ],
    [t],
  );
  const { data } = comparison;
  if (data === undefined || data.state === 'none') return null;
  return (
    <Section
      title={t('certificates:pair.title')}
      note={t('certificates:pair.note', { peer: data.peer ?? '' })}
      actions={
        <Button variant="default" loading={comparison.isFetching} onClick={() => void comparison.refetch()}>
          {t('certificates:pair.again')}
        </Button>
      }
    >
      {data.state === 'unreachable' ? (
        <Alert color="yellow" role="note" py="xs">
          {t('certificates:pair.unreachable', { peer: data.peer ?? '', error: data.error ?? '' })}
        </Alert>
      ) : (
        <DataTable label={t('certificates:pair.title')} rows={data.names} rowKey={(row) => row.name} columns={columns} empty="" />
      )}
    </Section>
  );
}

function sideText(side: Row['there']): string {
  return side === null ? '–' : `${side.issuedTo} (${formatMinute(side.notAfterMs)})`;
}
