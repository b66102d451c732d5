import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { itemStatus } from './items-model.ts';
import classes from './items.module.css';

/** The state of a Jump Item: a dot and a word, never the colour alone. */
export function ItemStatusMark({ item }: { item: JumpItem }) {
  const { t } = useTranslation('console');
  const status = itemStatus(item);
  return (
    <span className={classes['status']} data-status={status}>
      <span className={classes['dot']} aria-hidden="true" />
      {t(`status.${status}`)}
    </span>
  );
}
