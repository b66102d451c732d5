import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox } from '@mantine/core';
import type { FleetClient } from '@bascule/protocol/api/fleet.ts';
import type { Column } from '../../shared/DataTable.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { formatInstant, formatMinute } from '../../shared/format.ts';
import { STATE_TONES } from './fleet-model.ts';

type OnAction = (client: FleetClient, action: 'front' | 'retry') => void;
/** As many characters of a revision as tell it from others; the whole one on hover and in the exports. */
const REVISION_SHOWN = 7;

/** The columns of the clients of the fleet. Not sortable: a page is a part of the site's own order. */
export function useFleetClientColumns(
  onAction: OnAction,
  selected: ReadonlyMap<string, FleetClient>,
  onToggle: (clients: readonly FleetClient[], isChosen: boolean) => void,
): Column<FleetClient>[] {
  const { t } = useTranslation();
  return useMemo<Column<FleetClient>[]>(
    () => [
      {
        key: 'choose',
        header: t('fleet:selection.choose'),
        width: '34px',
        cell: (client) => (
          <Checkbox
            size="xs"
            aria-label={t('fleet:selection.chooseName', { name: client.name })}
            checked={selected.has(client.id)}
            onChange={(event) => onToggle([client], event.currentTarget.checked)}
          />
        ),
      },
      { key: 'name', header: t('fleet:clients.name'), cell: (client) => <Name client={client} /> },
      { key: 'state', header: t('fleet:clients.state'), cell: (client) => <State client={client} /> },
      {
        key: 'place',
        header: t('fleet:clients.place'),
        cell: (client) => client.place ?? <span className="b-quiet">–</span>,
        align: 'right',
      },
      {
        key: 'version',
        header: t('fleet:clients.version'),
        cell: (client) => (
          <span className="b-mono" title={client.revision}>
            {client.version} <span className="b-quiet">{shortRevision(client.revision)}</span>
          </span>
        ),
      },
      {
        key: 'ring',
        header: t('fleet:clients.ring'),
        cell: (client) => (
          <>
            {client.ring} <span className="b-quiet">{client.groupName ?? ''}</span>
          </>
        ),
      },
      { key: 'reason', header: t('fleet:clients.reason'), cell: (client) => <Reason client={client} />, wrap: true },
      { key: 'attempts', header: t('fleet:clients.attempts'), cell: (client) => client.attempts, align: 'right' },
      { key: 'presence', header: t('fleet:clients.presence'), cell: (client) => <Presence client={client} /> },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (client) => <ActionButton client={client} onAction={onAction} />,
      },
    ],
    [t, onAction, selected, onToggle],
  );
}

/** A commit is known by its beginning; a word, such as that of a checkout, is shown whole. */
function shortRevision(revision: string): string {
  return /^[0-9a-f]+$/.test(revision) ? revision.slice(0, REVISION_SHOWN) : revision;
}

/** The one thing that can be done with it, in one click: neither takes anything away. */
function ActionButton({ client, onAction }: { client: FleetClient; onAction: OnAction }) {
  const { t } = useTranslation();
  const { state, name } = client;
  if (state === 'pending' || state === 'waiting-for-session')
    return (
      <Button variant="default" onClick={() => onAction(client, 'front')} aria-label={t('fleet:clients.frontLabel', { name })}>
        {t('fleet:clients.front')}
      </Button>
    );
  if (state !== 'failed' && state !== 'rolled-back') return null;
  return (
    <Button variant="default" onClick={() => onAction(client, 'retry')} aria-label={t('fleet:clients.retryLabel', { name })}>
      {t('fleet:clients.retry')}
    </Button>
  );
}

function Name({ client }: { client: FleetClient }) {
  const { t } = useTranslation();
  return (
    <>
      <span style={{ fontWeight: 550 }}>{client.name}</span>{' '}
      {client.program !== 'jump-client' && <span className="b-quiet">{t(`shared:program.${client.program}`)}</span>}
    </>
  );
}

function State({ client }: { client: FleetClient }) {
  const { t } = useTranslation();
  const { state, upgradedAtMs } = client;
  return (
    <>
      <StateMark tone={STATE_TONES[state]}>{t(`fleet:state.${state}`)}</StateMark>
      {upgradedAtMs !== null && (
        <span className="b-quiet" title={formatInstant(upgradedAtMs)}>
          {` ${t('fleet:clients.upgradedAt', { at: formatMinute(upgradedAtMs) })}`}
        </span>
      )}
    </>
  );
}

/** Why it is not upgraded, in plain words; what the client itself said last, behind it. */
function Reason({ client }: { client: FleetClient }) {
  const { t } = useTranslation();
  if (client.state === 'unsupported') return t('fleet:reasonUnsupported');
  if (client.failure === null && client.reason === null && client.nextTryAtMs === null) return <span className="b-quiet">–</span>;
  return (
    <>
      {client.failure !== null && t(`fleet:reason.${client.failure}`)}{' '}
      {client.reason !== null && <span className="b-quiet">{client.reason}</span>}{' '}
      {client.nextTryAtMs !== null && (
        <span className="b-quiet">{t('fleet:clients.nextTry', { at: formatInstant(client.nextTryAtMs) })}</span>
      )}
    </>
  );
}

function Presence({ client }: { client: FleetClient }) {
  const { t } = useTranslation();
  if (client.online) return <StateMark tone="ok">{t('fleet:clients.online')}</StateMark>;
  return (
    <StateMark tone="off">
      {client.sinceMs === null
        ? t('fleet:clients.neverSeen')
        : t('fleet:clients.offlineSince', { at: formatMinute(client.sinceMs) })}
    </StateMark>
  );
}
