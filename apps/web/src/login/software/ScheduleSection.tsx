import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { formatMinute } from '../../shared/format.ts';
import { problemText } from '../installers/problem-text.ts';
import { ScheduleForm } from './ScheduleForm.tsx';
import { lastOfSchedule, toneOfBackup, type Backups } from './software-model.ts';
import { useBackupSchedule } from './software-queries.ts';

const FORM_HEIGHT_PX = 520;

/** Backups that are made by themselves (B191): when the next one is, how the last one ended, and the settings. */
export function ScheduleSection({ backups }: { backups: Backups | undefined }) {
  const { t } = useTranslation();
  const schedule = useBackupSchedule();
  return (
    <Section title={t('backup:schedule.title')} note={t('backup:schedule.note')}>
      {backups !== undefined && <Outcome backups={backups} />}
      {schedule.data !== undefined && <ScheduleForm saved={schedule.data} />}
      {schedule.data === undefined &&
        (schedule.isError ? (
          <QueryFailure query={schedule} />
        ) : (
          <Skeleton height={FORM_HEIGHT_PX} mt="sm" aria-label={t('shared:loading')} />
        ))}
    </Section>
  );
}

function Outcome({ backups }: { backups: Backups }) {
  const { t } = useTranslation();
  const { isOn, nextAtMs, problem } = backups.schedule;
  const last = lastOfSchedule(backups.backups);
  return (
    <Facts
      rows={[
        [
          t('backup:schedule.next'),
          isOn && nextAtMs !== null ? (
            formatMinute(nextAtMs)
          ) : (
            <StateMark key="off" tone="off">
              {t('backup:schedule.off')}
            </StateMark>
          ),
        ],
        [
          t('backup:schedule.last'),
          last === undefined ? (
            t('backup:schedule.noneYet')
          ) : (
            <StateMark key="last" tone={toneOfBackup(last)}>
              {formatMinute(last.madeAtMs)}: {t(`backup:state.${last.state}`)}
              {last.problem !== null && `: ${problemText(last.problem)}`}
            </StateMark>
          ),
        ],
        ...(problem === null ? [] : [problemRow(t('backup:list.problem'), problemText(problem))]),
      ]}
    />
  );
}

function problemRow(label: string, text: string): [string, React.JSX.Element] {
  return [
    label,
    <StateMark key="problem" tone="bad">
      {text}
    </StateMark>,
  ];
}
