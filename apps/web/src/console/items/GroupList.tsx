import { useTranslation } from 'react-i18next';
import type { GroupChoice, GroupCount } from './items-model.ts';
import classes from './items.module.css';

/** The Jump Groups as a filter, with how much of each is online. */
export function GroupList({
  groups,
  chosen,
  onChoose,
}: {
  groups: readonly GroupCount[];
  chosen: GroupChoice;
  onChoose: (group: GroupChoice) => void;
}) {
  const { t } = useTranslation('console');
  const nameOf = (group: GroupCount): string =>
    group.id === 'all' ? t('groups.all') : group.id === 'none' ? t('groups.none') : (group.name ?? '');
  return (
    <nav className={classes['groups']} aria-label={t('groups.heading')}>
      <h2 className={classes['paneHeading']}>{t('groups.heading')}</h2>
      <ul>
        {groups.map((group) => (
          <li key={group.id}>
            <button type="button" aria-current={group.id === chosen ? 'true' : undefined} onClick={() => onChoose(group.id)}>
              <span className={classes['groupName']} title={nameOf(group)}>
                {nameOf(group)}
              </span>
              <span className={classes['groupCount']} title={t('groups.online', { online: group.online, items: group.items })}>
                {group.online}/{group.items}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}
