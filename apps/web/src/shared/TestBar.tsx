import { useEffect, useRef } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import { anyAnswer } from './api-client.ts';
import { useApi } from './api-context.tsx';
import { rememberTest, useTestOfStandby } from './appliance-header.ts';
import { formatTimeOfDay } from './format.ts';
import { notifyFailure } from './notify.ts';
import { apiPaths, pagePaths } from './paths.ts';
import classes from './TestBar.module.css';

type Test = NonNullable<ApplianceHeader['rehearsal']>;

/** Below the header of every page, for whoever is chosen for a test of the standby (B133): the way in, and in the test that this is one, and the way out. */
export function TestBar() {
  const test = useTestOfStandby();
  useReloadWhenOver(test);
  if (test === undefined || test === null) return null;
  return (
    <div className={classes['bar']} data-place={test.place} role="status">
      {test.place === 'inside' ? <Inside test={test} /> : <Offer test={test} />}
    </div>
  );
}

function Inside({ test }: { test: Test }) {
  const { t } = useTranslation();
  return (
    <>
      <strong>{t('shared:test.inside', { standby: test.standby })}</strong>
      <span className={classes['note']}>{t('shared:test.note', { until: formatTimeOfDay(test.endsAtMs) })}</span>
      <Button component="a" href={pagePaths.leaveTest} variant="default" size="compact-sm">
        {t('shared:test.leave')}
      </Button>
    </>
  );
}

function Offer({ test }: { test: Test }) {
  const { t } = useTranslation();
  const api = useApi();
  const enter = useMutation({
    mutationFn: () => api.post(apiPaths.enterRehearsal, anyAnswer),
    onSuccess: () => {
      rememberTest(true);
      location.assign(pagePaths.login);
    },
    onError: notifyFailure,
  });
  return (
    <>
      <strong>{t('shared:test.offered', { standby: test.standby, until: formatTimeOfDay(test.endsAtMs) })}</strong>
      <span className={classes['note']}>{t('shared:test.offeredNote')}</span>
      <Button size="compact-sm" loading={enter.isPending} onClick={() => enter.mutate()}>
        {t('shared:test.enter')}
      </Button>
    </>
  );
}

/** The page and all it has read came from the scratch copy, which answers no more: the page of the primary takes its place. */
function useReloadWhenOver(test: ReturnType<typeof useTestOfStandby>): void {
  const wasInside = useRef(false);
  const isInside = test?.place === 'inside';
  const isOver = test !== undefined && !isInside;
  useEffect(() => {
    if (isInside) wasInside.current = true;
    else if (isOver && wasInside.current) location.reload();
  }, [isInside, isOver]);
}
