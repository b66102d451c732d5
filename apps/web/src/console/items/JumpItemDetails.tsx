import { Alert } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { formatInstant, formatMinute } from '../../shared/format.ts';
import { ItemStatusMark } from './ItemStatusMark.tsx';
import { isUpgrading, itemStatus, jumpObstacle } from './items-model.ts';
import { JumpButton } from './JumpButton.tsx';
import classes from './items.module.css';

/** Everything about the selected Jump Item, and the button to jump to it. */
export function JumpItemDetails({
  item,
  opening,
  onJump,
}: {
  item: JumpItem;
  opening: boolean;
  onJump: (item: JumpItem) => void;
}) {
  const { t } = useTranslation('console');
  return (
    <aside className={classes['details']} aria-label={t('details.heading')}>
      <Facts item={item} opening={opening} onJump={onJump} />
    </aside>
  );
}

function Facts({ item, opening, onJump }: { item: JumpItem; opening: boolean; onJump: (item: JumpItem) => void }) {
  const { t } = useTranslation('console');
  const obstacle = jumpObstacle(item);
  const since = item.sinceMs === null ? t('details.never') : formatInstant(item.sinceMs);
  return (
    <>
      <h2 className={classes['detailsName']}>{item.name}</h2>
      <ItemStatusMark item={item} />
      <JumpButton item={item} opening={opening} onJump={onJump} />
      {obstacle && <p className={classes['obstacle']}>{t(`obstacle.${obstacle}`)}</p>}
      {itemStatus(item) === 'checks-in' && item.nextCheckInMs !== null && (
        <p className={classes['obstacle']}>{t('details.checksIn', { time: formatMinute(item.nextCheckInMs) })}</p>
      )}
      {isUpgrading(item) && (
        <p className={classes['obstacle']}>
          {item.upgradePlace === null
            ? t(`upgrade.${item.upgrade}`)
            : t('details.upgradePlace', { state: t(`upgrade.${item.upgrade}`), place: item.upgradePlace })}
        </p>
      )}
      {item.duplicateName && (
        <Alert color="yellow" p="xs">
          {t('details.duplicate')}
        </Alert>
      )}
      <dl className={classes['facts']}>
        <Fact
          name={t(item.online ? 'details.onlineSince' : item.mode === 'passive' ? 'details.lastCheckIn' : 'details.lastSeen')}
          value={since}
        />
        <Fact name={t('column.host')} value={item.hostName} mono />
        <Fact name={t('column.group')} value={item.groupName ?? t('groups.none')} />
        <Fact name={t('column.os')} value={item.os} />
        <Fact name={t('column.user')} value={item.runsAs} mono />
        <Fact name={t('column.addresses')} value={item.addresses.join('\n')} mono />
        <Fact name={t('details.version')} value={[item.version, item.revision].filter(Boolean).join(' · ')} mono />
        <Fact name={t('details.sessions')} value={String(item.sessions)} />
        {item.tags.length > 0 && <Fact name={t('details.tags')} value={item.tags.join(', ')} />}
        {item.comment !== '' && <Fact name={t('details.comment')} value={item.comment} />}
      </dl>
    </>
  );
}

function Fact({ name, value, mono = false }: { name: string; value: string; mono?: boolean }) {
  return (
    <>
      <dt>{name}</dt>
      <dd className={mono ? 'b-mono' : undefined}>{value === '' ? '–' : value}</dd>
    </>
  );
}
