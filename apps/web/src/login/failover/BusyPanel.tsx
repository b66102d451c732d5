import { useTranslation } from 'react-i18next';
import { Progress } from '@mantine/core';
import i18next from 'i18next';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { formatDuration } from '../../shared/format.ts';
import { busyProgress } from './failover-model.ts';
import classes from './failover.module.css';

/** What is under way: which step, how far, since when, and how long still, if that can be told. */
export function BusyPanel({ busy, nowMs }: { busy: FailoverState['busy']; nowMs: number }) {
  const { t } = useTranslation();
  if (busy === null) return null;
  const { percent, leftMs } = busyProgress(busy, nowMs);
  const what = known(`failover:busy.${busy.what}`, t('failover:busy.other'));
  const step = known(`failover:busyStep.${busy.step}`, busy.step);
  return (
    <div className={classes['panel']} data-part="busy">
      <p className={classes['busyText']} role="status" aria-live="polite">
        <strong>{what}</strong> <span>{step}</span>
      </p>
      <Progress.Root size="lg">
        <Progress.Section
          value={percent ?? 100}
          striped={percent === null}
          animated={percent === null}
          aria-label={percent === null ? what : t('failover:busyPercent', { what, percent })}
        />
      </Progress.Root>
      <p className={classes['busyTimes']}>
        <span>{t('failover:busySince', { time: formatDuration(nowMs - busy.startedAtMs) })}</span>
        <span>{leftMs === null ? t('failover:busyLeftUnknown') : t('failover:busyLeft', { time: formatDuration(leftMs) })}</span>
      </p>
    </div>
  );
}

/** The text `key` if there is one: later versions of the appliance may have steps of which this page knows nothing. */
function known(key: string, otherwise: string): string {
  return i18next.exists(key) ? i18next.t(key) : otherwise;
}
