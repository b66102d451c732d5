import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { formatMinute } from '../../shared/format.ts';
import type { GridColumn } from './ItemGrid.tsx';
import { ItemStatusMark } from './ItemStatusMark.tsx';
import { isUpgrading } from './items-model.ts';
import { JumpButton } from './JumpButton.tsx';
import classes from './items.module.css';

/** Pixels below which the console's table scrolls sideways. */
export const CONSOLE_TABLE_MIN_WIDTH = 990;

/** As many last characters of an id as tell items of one name apart. */
const SHORT_ID_CHARACTERS = 6;

/** The columns of the console's list. */
export function useConsoleColumns(opening: string | undefined, onJump: (item: JumpItem) => void): readonly GridColumn[] {
  const { t } = useTranslation('console');
  return useMemo(
    () => [
      {
        id: 'state',
        header: t('column.state'),
        sort: 'state',
        width: 'minmax(166px, 0.7fr)',
        cell: (item) => <ItemStatusMark item={item} />,
      },
      {
        id: 'name',
        header: t('column.name'),
        sort: 'name',
        width: 'minmax(120px, 1.7fr)',
        title: (item) => item.name,
        cell: (item) => (
          <>
            <span className={classes['name']}>{item.name}</span>
            {item.duplicateName && <span className="b-quiet"> {item.hostName || item.id.slice(-SHORT_ID_CHARACTERS)}</span>}
            {isUpgrading(item) && <span className={classes['upgradeMark']}>{t(`upgrade.${item.upgrade}`)}</span>}
          </>
        ),
      },
      textColumn('group', 'group', 'minmax(112px, 1.1fr)', (item) => item.groupName ?? ''),
      textColumn('host', 'host', 'minmax(104px, 1.5fr)', (item) => item.hostName, true),
      textColumn('os', 'os', 'minmax(90px, 1.3fr)', (item) => item.os),
      textColumn('user', 'user', 'minmax(72px, 0.5fr)', (item) => item.runsAs, true),
      textColumn('addresses', undefined, 'minmax(98px, 1.1fr)', (item) => item.addresses.join(', '), true),
      textColumn('since', 'since', '132px', (item) => (item.sinceMs === null ? '' : formatMinute(item.sinceMs))),
      {
        id: 'jump',
        header: t('jump'),
        width: '96px',
        isPinned: true,
        cell: (item) => <JumpButton compact item={item} opening={opening === item.id} onJump={onJump} />,
      },
    ],
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- textColumn only reads t
    [t, opening, onJump],
  );

  function textColumn(
    id: 'group' | 'host' | 'os' | 'user' | 'addresses' | 'since',
    sort: GridColumn['sort'],
    width: string,
    textOf: (item: JumpItem) => string,
    isMono = false,
  ): GridColumn {
    return { id, header: t(`column.${id}`), sort, width, isMono, title: textOf, cell: textOf };
  }
}
