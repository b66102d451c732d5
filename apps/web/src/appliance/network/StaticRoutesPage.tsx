import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Skeleton } from '@mantine/core';
import type { KernelRoute, StaticRoute } from '@bascule/protocol/api/network.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { RowMenu } from '../../shared/RowMenu.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { RemoveRouteDialog } from './RemoveRouteDialog.tsx';
import { RouteDialog } from './RouteDialog.tsx';
import { useRoutes } from './routing-queries.ts';

const SKELETON_HEIGHT_PX = 420;
const TONES = { active: 'ok', outranked: 'warn', inactive: 'off', refused: 'bad' } as const;

/** Networking > Static routes. */
export function StaticRoutesPage() {
  const { t } = useTranslation();
  const routes = useRoutes();
  const { data } = routes;
  const [edited, setEdited] = useState<StaticRoute | 'new'>();
  const [removed, setRemoved] = useState<StaticRoute>();
  if (data === undefined)
    return routes.isError ? (
      <QueryFailure query={routes} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return (
    <>
      <Section
        title={t('network:routes.title')}
        note={t('network:routes.note')}
        actions={
          <Button variant="default" onClick={() => setEdited('new')}>
            {t('network:routes.add')}
          </Button>
        }
      >
        {data.cannotApply !== null && (
          <Alert color="yellow" role="note" py="xs" mb="sm">
            {t(`network:routes.cannot.${data.cannotApply}`)}
          </Alert>
        )}
        <RouteTable routes={data.routes} onEdit={setEdited} onRemove={setRemoved} />
      </Section>
      {data.kernel.length > 0 && <KernelSection routes={data.kernel} />}
      {edited !== undefined && (
        <RouteDialog edited={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />
      )}
      {removed !== undefined && <RemoveRouteDialog route={removed} onClose={() => setRemoved(undefined)} />}
    </>
  );
}

interface RouteTableProps {
  routes: StaticRoute[];
  onEdit: (route: StaticRoute) => void;
  onRemove: (route: StaticRoute) => void;
}

function RouteTable({ routes, onEdit, onRemove }: RouteTableProps) {
  const { t } = useTranslation();
  const columns = useMemo<Column<StaticRoute>[]>(
    () => [
      {
        key: 'destination',
        header: t('network:routes.destination'),
        cell: (row) => <Destination text={row.destination} strong />,
        sortBy: (row) => row.destination,
      },
      { key: 'gateway', header: t('network:routes.gateway'), cell: (row) => <span className="b-mono">{row.gateway}</span> },
      {
        key: 'device',
        header: t('network:field.device'),
        cell: (row) => (row.device === null ? t('network:routes.byGateway') : <span className="b-mono">{row.device}</span>),
      },
      {
        key: 'metric',
        header: t('network:routes.metric'),
        cell: (row) => <span className="b-mono">{row.metric}</span>,
        sortBy: (row) => row.metric,
      },
      { key: 'state', header: t('network:field.state'), cell: (row) => <RouteState route={row} />, wrap: true },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        cell: (row) => (
          <RowMenu
            name={row.destination}
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
      label={t('network:routes.title')}
      rows={routes}
      rowKey={(row) => row.id}
      columns={columns}
      empty={t('network:routes.none')}
    />
  );
}

function Destination({ text, strong = false }: { text: string; strong?: boolean }) {
  const { t } = useTranslation();
  const style = strong ? { fontWeight: 550 } : {};
  return text === 'default' ? (
    <span style={style}>{t('network:routes.default')}</span>
  ) : (
    <span className="b-mono" style={style}>
      {text}
    </span>
  );
}

function RouteState({ route: { enabled, state, error } }: { route: StaticRoute }) {
  const { t } = useTranslation();
  if (!enabled) return <StateMark tone="off">{t('network:state.disabled')}</StateMark>;
  return (
    <>
      <StateMark tone={TONES[state]}>{t(`network:routes.state.${state}`)}</StateMark>
      {error !== null && <div>{error}</div>}
    </>
  );
}

/** The kernel's main table, whoever gave it. */
function KernelSection({ routes }: { routes: KernelRoute[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<KernelRoute>[]>(
    () => [
      {
        key: 'destination',
        header: t('network:routes.destination'),
        cell: (row) => <Destination text={row.destination} />,
      },
      {
        key: 'gateway',
        header: t('network:routes.gateway'),
        cell: (row) => (row.gateway === null ? t('network:routes.direct') : <span className="b-mono">{row.gateway}</span>),
      },
      { key: 'device', header: t('network:field.device'), cell: (row) => <span className="b-mono">{row.device}</span> },
      { key: 'metric', header: t('network:routes.metric'), cell: (row) => <span className="b-mono">{row.metric}</span> },
      {
        key: 'from',
        header: t('network:routes.from'),
        cell: (row) => (row.ours ? t('network:routes.fromHere') : <span className="b-mono">{row.protocol}</span>),
      },
    ],
    [t],
  );
  return (
    <Section title={t('network:routes.kernel')} note={t('network:routes.kernelNote')}>
      <DataTable
        label={t('network:routes.kernel')}
        rows={routes}
        rowKey={(row) => `${row.destination} ${row.gateway ?? ''} ${row.device} ${row.metric}`}
        columns={columns}
        empty={t('shared:none')}
      />
    </Section>
  );
}
