import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { List } from '@mantine/core';
import type { TrafficState } from '@bascule/protocol/api/network.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';

type Resolved = TrafficState['resolution'][number];

/** Where the shared name leads by now, and what is left to do by hand. */
export function ResolutionSection({ state }: { state: TrafficState }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Resolved>[]>(
    () => [
      {
        key: 'address',
        header: t('network:field.address'),
        cell: (row) => <span className="b-mono">{row.address}</span>,
        width: '260px',
      },
      { key: 'who', header: t('network:resolution.who'), cell: (row) => <WhoAnswers resolved={row} /> },
    ],
    [t],
  );
  const { sharedName, resolution, settings } = state;
  const steps = settings.way === 'checklist' ? (['addresses', 'change', 'wait'] as const) : [];
  return (
    <Section title={t('network:resolution.title', { name: sharedName })} note={t('network:resolution.note')}>
      <DataTable
        label={t('network:resolution.title', { name: sharedName })}
        rows={resolution}
        rowKey={(row) => row.address}
        columns={columns}
        empty={t('network:resolution.none')}
      />
      {steps.length > 0 && (
        <List type="ordered" size="sm" mt="sm">
          {steps.map((step) => (
            <List.Item key={step}>{t(`network:checklist.${step}`, { name: sharedName })}</List.Item>
          ))}
        </List>
      )}
    </Section>
  );
}

function WhoAnswers({ resolved: { answersAs, isHere } }: { resolved: Resolved }) {
  const { t } = useTranslation();
  if (answersAs === null) return <StateMark tone="bad">{t('network:resolution.nobody')}</StateMark>;
  if (isHere) return <StateMark tone="ok">{t('network:resolution.here', { name: answersAs })}</StateMark>;
  return (
    <StateMark tone="warn">
      {answersAs === '' ? t('network:resolution.unknown') : t('network:resolution.other', { name: answersAs })}
    </StateMark>
  );
}
