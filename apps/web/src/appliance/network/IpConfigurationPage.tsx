import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Skeleton } from '@mantine/core';
import type { IpAddress, IpConfiguration } from '@bascule/protocol/api/network.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { RowMenu } from '../../shared/RowMenu.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { AddressDialog } from './AddressDialog.tsx';
import { NtpSection } from './NtpSection.tsx';
import { PortsSection } from './PortsSection.tsx';
import { RemoveAddressDialog } from './RemoveAddressDialog.tsx';
import { useIpConfiguration } from './network-queries.ts';
import { maskText } from './subnet-mask.ts';

const SKELETON_HEIGHT_PX = 420;
const TONES = { held: 'ok', foreign: 'ok', 'not-held': 'off', 'no-device': 'bad', refused: 'bad' } as const;

/** Networking > IP configuration (B10-B13). */
export function IpConfigurationPage() {
  const { t } = useTranslation();
  const configuration = useIpConfiguration();
  const { data } = configuration;
  const [edited, setEdited] = useState<IpAddress | 'new'>();
  const [removed, setRemoved] = useState<IpAddress>();
  if (data === undefined)
    return configuration.isError ? (
      <QueryFailure query={configuration} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return (
    <>
      <Section
        title={t('network:addresses.title')}
        note={t('network:addresses.note', { address: data.reachedBy })}
        actions={
          <Button variant="default" onClick={() => setEdited('new')}>
            {t('network:addresses.add')}
          </Button>
        }
      >
        <Obstacles configuration={data} />
        <AddressTable addresses={data.addresses} onEdit={setEdited} onRemove={setRemoved} />
      </Section>
      <PortsSection devices={data.devices} />
      <NtpSection />
      {edited !== undefined && (
        <AddressDialog edited={edited === 'new' ? undefined : edited} configuration={data} onClose={() => setEdited(undefined)} />
      )}
      {removed !== undefined && <RemoveAddressDialog address={removed} onClose={() => setRemoved(undefined)} />}
    </>
  );
}

/** Why what is entered here does not, or not wholly, come into force. */
function Obstacles({ configuration: { cannotApply, cannotAnnounce, listensOn } }: { configuration: IpConfiguration }) {
  const { t } = useTranslation();
  return (
    <>
      {cannotApply !== null && (
        <Alert color="yellow" role="note" py="xs" mb="sm">
          {t(`network:cannotApply.${cannotApply}`)}
        </Alert>
      )}
      {cannotAnnounce !== null && (
        <Alert color="yellow" role="note" py="xs" mb="sm">
          {t('network:addresses.cannotAnnounce', { reason: cannotAnnounce })}
        </Alert>
      )}
      {listensOn !== null && (
        <Alert color="yellow" role="note" py="xs" mb="sm">
          {t('network:addresses.listensOn', { address: listensOn })}
        </Alert>
      )}
    </>
  );
}

interface AddressTableProps {
  addresses: IpAddress[];
  onEdit: (address: IpAddress) => void;
  onRemove: (address: IpAddress) => void;
}

function AddressTable({ addresses, onEdit, onRemove }: AddressTableProps) {
  const { t } = useTranslation();
  const columns = useMemo<Column<IpAddress>[]>(
    () => [
      {
        key: 'address',
        header: t('network:field.address'),
        cell: (row) => (
          <span className="b-mono" style={{ fontWeight: 550 }}>
            {row.address}
          </span>
        ),
        sortBy: (row) => row.address,
      },
      {
        key: 'mask',
        header: t('network:field.mask'),
        cell: (row) => <span className="b-mono">{maskText(row.prefix, row.address)}</span>,
      },
      { key: 'device', header: t('network:field.device'), cell: (row) => <span className="b-mono">{row.device}</span> },
      { key: 'access', header: t('network:field.accessType'), cell: (row) => t(`network:access.${row.accessType}`) },
      {
        key: 'kind',
        header: t('network:field.heldBy'),
        cell: (row) => t(row.shared ? 'network:heldBy.primary' : 'network:heldBy.this'),
      },
      { key: 'state', header: t('network:field.state'), cell: (row) => <AddressState address={row} />, wrap: true },
      {
        key: 'certificate',
        header: t('network:field.certificate'),
        cell: (row) => (row.certificate === 'factory-default' ? t('network:addresses.factoryDefault') : row.certificate),
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        cell: (row) => (
          <RowMenu
            name={row.address}
            actions={[
              { label: t('network:addresses.edit'), act: () => onEdit(row) },
              { label: t('network:addresses.remove'), dangerous: true, act: () => onRemove(row) },
            ]}
          />
        ),
      },
    ],
    [t, onEdit, onRemove],
  );
  return (
    <DataTable
      label={t('network:addresses.title')}
      rows={addresses}
      rowKey={(row) => row.id}
      columns={columns}
      empty={t('network:addresses.none')}
    />
  );
}

function AddressState({ address }: { address: IpAddress }) {
  const { t } = useTranslation();
  const { enabled, state, shared, lifeLeftSeconds, error } = address;
  if (!enabled && state === 'not-held') return <StateMark tone="off">{t('network:state.disabled')}</StateMark>;
  const isElsewhere = shared && state === 'not-held';
  const tone = enabled && !shared && state === 'not-held' ? 'warn' : TONES[state];
  return (
    <>
      <StateMark tone={tone}>{t(isElsewhere ? 'network:state.elsewhere' : `network:state.${state}`)}</StateMark>
      {shared && lifeLeftSeconds !== null && <> {t('network:state.lifeLeft', { seconds: lifeLeftSeconds })}</>}
      {error !== null && <div>{error}</div>}
    </>
  );
}
