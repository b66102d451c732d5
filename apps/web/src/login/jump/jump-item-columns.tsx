import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group } from '@mantine/core';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import type { Column } from '../../shared/DataTable.tsx';
import { RowMenu, type RowAction } from '../../shared/RowMenu.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { formatInstant, formatMinute } from '../../shared/format.ts';
import classes from './jump-item-columns.module.css';

/** The columns of the list of Jump Clients. */
export function useJumpItemColumns(
  actionsFor: (item: JumpItem) => RowAction[],
  decide: (item: JumpItem) => void,
): Column<JumpItem>[] {
  const { t } = useTranslation();
  return useMemo<Column<JumpItem>[]>(
    () => [
      { key: 'name', header: t('login:jump.name'), cell: (item) => <ItemName item={item} />, sortBy: (item) => item.name },
      { key: 'state', header: t('login:jump.state'), cell: (item) => <ItemState item={item} />, sortBy: (item) => item.state },
      {
        key: 'online',
        header: t('login:jump.presence'),
        cell: (item) => <Presence item={item} />,
        sortBy: (item) => `${item.online ? 0 : 1}${item.sinceMs ?? 0}`,
      },
      {
        key: 'sessions',
        header: t('login:jump.sessions'),
        cell: (item) => item.sessions,
        sortBy: (item) => item.sessions,
        align: 'right',
      },
      {
        key: 'group',
        header: t('login:jump.group'),
        cell: (item) => item.groupName ?? <span className="b-quiet">–</span>,
        sortBy: (item) => item.groupName ?? '',
      },
      {
        key: 'host',
        header: t('login:jump.host'),
        cell: (item) => <Cut text={item.hostName} />,
        sortBy: (item) => item.hostName,
      },
      { key: 'os', header: t('login:jump.os'), cell: (item) => <Cut text={item.os} />, sortBy: (item) => item.os },
      { key: 'addresses', header: t('login:jump.addresses'), cell: (item) => <Addresses addresses={item.addresses} /> },
      {
        key: 'runsAs',
        header: t('login:jump.runsAs'),
        cell: (item) => <span className="b-mono">{item.runsAs}</span>,
        sortBy: (item) => item.runsAs,
      },
      {
        key: 'version',
        header: t('login:jump.version'),
        cell: (item) => <span className="b-mono">{item.version}</span>,
        sortBy: (item) => item.version,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (item) => (
          <Group gap={4} justify="flex-end" wrap="nowrap">
            <DecideButton item={item} onDecide={decide} />
            <RowMenu name={item.name} actions={actionsFor(item)} />
          </Group>
        ),
      },
    ],
    [t, actionsFor, decide],
  );
}

function DecideButton({ item, onDecide }: { item: JumpItem; onDecide: (item: JumpItem) => void }) {
  const { t } = useTranslation();
  if (item.state !== 'waiting-for-approval' && item.state !== 'to-be-confirmed') return null;
  const verb = item.state === 'waiting-for-approval' ? t('login:jump.approve') : t('login:jump.confirm');
  return (
    <Button onClick={() => onDecide(item)} aria-label={`${verb} ${item.name}`}>
      {verb}
    </Button>
  );
}

function ItemName({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  return (
    <>
      <span style={{ fontWeight: 550 }}>{item.name}</span>{' '}
      {item.duplicateName && <StateMark tone="warn">{t('login:jump.duplicate')}</StateMark>}
      {item.comment !== '' && (
        <span className={classes['comment']} title={item.comment}>
          {item.comment}
        </span>
      )}
    </>
  );
}

function ItemState({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  const tone = item.state === 'approved' ? 'ok' : item.state === 'revoked' ? 'bad' : 'warn';
  return <StateMark tone={tone}>{t(`shared:clientState.${item.state}`)}</StateMark>;
}

function Presence({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  if (item.online) return <StateMark tone="ok">{t('login:jump.online')}</StateMark>;
  if (item.sinceMs === null) return <StateMark tone="off">{t('login:jump.neverSeen')}</StateMark>;
  return (
    <span title={formatInstant(item.sinceMs)}>
      <StateMark tone="off">{t('login:jump.offlineSince', { time: formatMinute(item.sinceMs) })}</StateMark>
    </span>
  );
}

/** Text that a machine reported, cut to the column; whole on hover. */
function Cut({ text }: { text: string }) {
  return (
    <span className={classes['cut']} title={text}>
      {text}
    </span>
  );
}

/** The first address; the others on hover and to screen readers. */
function Addresses({ addresses }: { addresses: string[] }) {
  const [first, ...others] = addresses;
  return (
    <span className="b-mono" title={addresses.join('\n')}>
      {first ?? ''}
      {others.length > 0 && <span className="b-quiet"> +{others.length}</span>}
    </span>
  );
}
