import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { formatCount } from './format.ts';
import classes from './Pager.module.css';

interface PagerProps {
  /** What is paged through, for screen readers. */
  label: string;
  offset: number;
  limit: number;
  total: number;
  onOffset: (offset: number) => void;
}

/** Which rows of a long list are shown, and the ways to those before and after. Of the same height with one page as with many. */
export function Pager({ label, offset, limit, total, onOffset }: PagerProps) {
  const { t } = useTranslation();
  const range = {
    from: formatCount(Math.min(offset + 1, total)),
    to: formatCount(Math.min(offset + limit, total)),
    total: formatCount(total),
  };
  return (
    <nav className={classes['pager']} aria-label={t('shared:pager.label', { label })}>
      <span role="status" className={classes['range']}>
        {t('shared:pager.range', range)}
      </span>
      {total > limit && (
        <>
          <Button variant="default" disabled={offset === 0} onClick={() => onOffset(Math.max(0, offset - limit))}>
            {t('shared:pager.previous')}
          </Button>
          <Button variant="default" disabled={offset + limit >= total} onClick={() => onOffset(offset + limit)}>
            {t('shared:pager.next')}
          </Button>
        </>
      )}
    </nav>
  );
}
