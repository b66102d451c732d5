import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { useTestOfStandby } from './appliance-header.ts';
import { formatTimeOfDay } from './format.ts';
import { pagePaths } from './paths.ts';
import classes from './TestBar.module.css';

/** Below the header of every page that comes from the scratch copy of a test of the standby: that it does, and the way out. */
export function TestBar() {
  const { t } = useTranslation();
  const test = useTestOfStandby();
  useReloadWhenOver(test);
  if (test === undefined || test === null) return null;
  return (
    <div className={classes['bar']} role="status">
      <strong>{t('shared:test.inside', { standby: test.standby })}</strong>
      <span className={classes['note']}>{t('shared:test.note', { until: formatTimeOfDay(test.endsAtMs) })}</span>
      <Button component="a" href={pagePaths.leaveTest} variant="default" size="compact-sm">
        {t('shared:test.leave')}
      </Button>
    </div>
  );
}

/** The page and all it has read came from the scratch copy, which answers no more: the page of the primary takes its place. */
function useReloadWhenOver(test: ReturnType<typeof useTestOfStandby>): void {
  const wasInside = useRef(false);
  useEffect(() => {
    if (test) wasInside.current = true;
    else if (test === null && wasInside.current) location.reload();
  }, [test]);
}
