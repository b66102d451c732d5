import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { NetworkDevice } from '@bascule/protocol/api/network.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';

/** What the machine has, whoever gave it. */
export function PortsSection({ devices }: { devices: NetworkDevice[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<NetworkDevice>[]>(
    () => [
      {
        key: 'name',
        header: t('network:field.device'),
        cell: (row) => (
          <span className="b-mono" style={{ fontWeight: 550 }}>
            {row.name}
          </span>
        ),
        width: '160px',
      },
      {
        key: 'up',
        header: t('network:ports.link'),
        cell: (row) => (
          <StateMark tone={row.up ? 'ok' : 'bad'}>{t(row.up ? 'network:ports.up' : 'network:ports.down')}</StateMark>
        ),
        width: '160px',
      },
      {
        key: 'mac',
        header: t('network:ports.mac'),
        cell: (row) => <span className="b-mono">{row.mac ?? '–'}</span>,
        width: '180px',
      },
      {
        key: 'addresses',
        header: t('network:ports.addresses'),
        cell: ({ addresses }) => (
          <span className="b-mono">
            {addresses.map(({ address, prefix, ours }) => `${address}/${prefix}${ours ? '*' : ''}`).join('  ') || '–'}
          </span>
        ),
        wrap: true,
      },
    ],
    [t],
  );
  return (
    <Section title={t('network:ports.title')} note={t('network:ports.note')}>
      <DataTable
        label={t('network:ports.title')}
        rows={devices}
        rowKey={(row) => row.name}
        columns={columns}
        empty={t('shared:none')}
      />
    </Section>
  );
}
