import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Progress } from '@mantine/core';
import type { BackupProgress } from '@bascule/protocol/api/backup.ts';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount, formatDuration, formatMinute } from '../../shared/format.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { problemText } from '../installers/problem-text.ts';
import { backupStanding, newestEnded, type Backups } from './software-model.ts';
import { useRefreshBackups } from './software-queries.ts';
import classes from './software.module.css';

/** How well the site is backed up, or what is under way; of one height, so that nothing below it moves when a backup begins or ends. */
export function BackupHeadline({ backups, isStale }: { backups: Backups; isStale: boolean }) {
  const { t } = useTranslation();
  return (
    <div className={classes['standing']}>
      {isStale && (
        <Alert color="yellow" role="status" py="xs" mb="sm">
          {t('backup:stale')}
        </Alert>
      )}
      {backups.running === null ? <Standing backups={backups} /> : <Running progress={backups.running} backups={backups} />}
    </div>
  );
}

function Standing({ backups }: { backups: Backups }) {
  const { t } = useTranslation();
  const { standing, tone } = backupStanding(backups, Date.now());
  const { last, schedule } = backups;
  const newest = newestEnded(backups.backups);
  const record = backups.backups.find(({ id }) => id === last?.id);
  const problem = standing === 'failed' ? newest?.problem : standing === 'schedule' ? schedule.problem : undefined;
  const values = last === null ? {} : { at: formatMinute(last.atMs), ago: formatDuration(Date.now() - last.atMs) };
  return (
    <Headline tone={tone} text={t(`backup:standing.${standing}`, values)}>
      {problem !== undefined && problem !== null && <HeadlineNote isStrong>{problemText(problem)}</HeadlineNote>}
      {last !== null && (
        <HeadlineNote>
          {t('backup:lastRestorable', { at: formatMinute(last.atMs) })}{' '}
          {record !== undefined && record.checkedAtMs !== null && t('backup:checkedOn', { at: formatMinute(record.checkedAtMs) })}{' '}
          {last.changesSince > 0 &&
            t('backup:changesSince', { count: last.changesSince, number: formatCount(last.changesSince) })}
        </HeadlineNote>
      )}
      <HeadlineNote>
        {standing === 'none' || standing === 'none-restorable' ? `${t('backup:standingDo.none')} ` : ''}
        {schedule.isOn && schedule.nextAtMs !== null
          ? t('backup:nextAt', { at: formatMinute(schedule.nextAtMs) })
          : t('backup:noSchedule')}
      </HeadlineNote>
    </Headline>
  );
}

/** What a backup is made of in time: where it is now, how far, and the way out. */
function Running({ progress, backups }: { progress: BackupProgress; backups: Backups }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  const record = backups.backups.find(({ id }) => id === progress.id);
  const isCheck = record?.state === 'checking' && record.checkedAtMs !== null;
  const cancel = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.backupAction(progress.id, 'cancel'), anyAnswer);
      await refresh();
    },
    onSuccess: () => notifyDone(t('backup:running.cancelled')),
    onError: notifyFailure,
  });
  const percent = progress.total === null || progress.total === 0 ? null : Math.min(100, (progress.done / progress.total) * 100);
  const phase = t(`backup:phase.${progress.phase}`);
  return (
    <Headline tone="off" text={`${t(isCheck ? 'backup:running.check' : 'backup:running.make')} ${phase}`}>
      <div className={classes['running']}>
        <Progress.Root size="lg" className={classes['bar']}>
          <Progress.Section
            value={percent ?? 100}
            striped={percent === null}
            animated={percent === null}
            aria-label={percent === null ? phase : t('backup:running.percent', { phase, percent: Math.floor(percent) })}
          />
        </Progress.Root>
        <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
          {t('shared:cancel')}
        </Button>
      </div>
      <HeadlineNote>
        {progress.done > 0 &&
          (progress.total === null
            ? formatBytes(progress.done)
            : t('backup:running.of', { done: formatBytes(progress.done), total: formatBytes(progress.total) }))}{' '}
        {t('backup:running.since', { at: formatMinute(progress.startedAtMs) })} {t('backup:running.leave')}
      </HeadlineNote>
    </Headline>
  );
}
