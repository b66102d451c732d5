import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group } from '@mantine/core';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import type { GridColumn } from '../../console/items/ItemGrid.tsx';
import { RowMenu, type RowAction } from '../../shared/RowMenu.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { PresenceMark } from './PresenceMark.tsx';
import { UpgradeMark } from './UpgradeMark.tsx';
import classes from './clients.module.css';

/** Pixels below which the table scrolls sideways. */
export const CLIENTS_TABLE_MIN_WIDTH = 1240;

/** The columns of the list of Jump Clients. */
export function useJumpItemColumns(
  actionsFor: (item: JumpItem) => RowAction[],
  decide: (item: JumpItem) => void,
): readonly GridColumn[] {
  const { t } = useTranslation();
  return useMemo<GridColumn[]>(
    () => [
      {
        id: 'name',
        header: t('login:jump.name'),
        sort: 'name',
        width: 'minmax(130px, 1.5fr)',
        title: (item) => item.name,
        cell: (item) => <ItemName item={item} />,
      },
      {
        id: 'state',
        header: t('login:jump.state'),
        sort: 'attention',
        width: '172px',
        cell: (item) => <ItemState item={item} />,
      },
      {
        id: 'online',
        header: t('login:jump.presence'),
        sort: 'since',
        width: '228px',
        cell: (item) => <PresenceMark item={item} />,
      },
      {
        id: 'group',
        header: t('login:jump.group'),
        sort: 'group',
        width: 'minmax(90px, 1fr)',
        title: (item) => item.groupName ?? '',
        cell: (item) => item.groupName ?? <span className="b-quiet">–</span>,
      },
      {
        id: 'tags',
        header: t('login:jump.tags'),
        width: 'minmax(80px, 0.9fr)',
        title: (item) => item.tags.join(', '),
        cell: (item) => <Tags tags={item.tags} />,
      },
      {
        id: 'host',
        header: t('login:jump.host'),
        sort: 'host',
        width: 'minmax(110px, 1.2fr)',
        title: (item) => item.hostName,
        isMono: true,
        cell: (item) => item.hostName,
      },
      {
        id: 'version',
        header: t('login:jump.version'),
        sort: 'version',
        width: '76px',
        isMono: true,
        cell: (item) => item.version,
      },
      {
        id: 'upgrade',
        header: t('login:jump.upgrade'),
        width: '178px',
        cell: (item) => <UpgradeMark item={item} />,
      },
      {
        id: 'actions',
        header: t('shared:actions'),
        width: '134px',
        isPinned: true,
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
    <Button size="compact-sm" onClick={() => onDecide(item)} aria-label={`${verb} ${item.name}`}>
      {verb}
    </Button>
  );
}

function ItemName({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  return (
    <>
      <span className={classes['name']}>{item.name}</span>{' '}
      {item.duplicateName && <StateMark tone="warn">{t('login:jump.duplicate')}</StateMark>}
      {item.comment !== '' && (
        <span className={classes['comment']} title={item.comment}>
          {item.comment}
        </span>
      )}
    </>
  );
}

export function ItemState({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  const tone = item.state === 'approved' ? 'ok' : item.state === 'revoked' ? 'bad' : 'warn';
  return <StateMark tone={tone}>{t(`shared:clientState.${item.state}`)}</StateMark>;
}

export function Tags({ tags }: { tags: readonly string[] }) {
  return tags.map((tag) => (
    <span key={tag} className={classes['tag']}>
      {tag}
    </span>
  ));
}
