import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { formatCount, formatMinute } from '../../shared/format.ts';
import { problemText } from '../installers/problem-text.ts';
import { ScheduleForm } from './ScheduleForm.tsx';
import { useDestinationName, useTimesText } from './schedule-texts.ts';
import { INCLUDE_PARTS, lastOfSchedule, toneOfBackup, type Backups, type BackupSchedule } from './software-model.ts';
import { useBackupSchedule } from './software-queries.ts';
import classes from './software.module.css';

const FACTS_HEIGHT_PX = 110;

/** Backups that are made by themselves (B191): when the next one is, how the last one ended, and the settings. */
export function ScheduleSection({ backups }: { backups: Backups | undefined }) {
  const { t } = useTranslation();
  const schedule = useBackupSchedule();
  const [isOpen, setOpen] = useState(false);
  return (
    <Section
      title={t('backup:schedule.title')}
      note={t('backup:schedule.note')}
      actions={
        <Button variant="default" disabled={schedule.data === undefined} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {t(isOpen ? 'shared:close' : 'backup:schedule.change')}
        </Button>
      }
    >
      {schedule.data !== undefined && <ScheduleFacts schedule={schedule.data} backups={backups} />}
      {schedule.data === undefined &&
        (schedule.isError ? (
          <QueryFailure query={schedule} />
        ) : (
          <Skeleton height={FACTS_HEIGHT_PX} aria-label={t('shared:loading')} />
        ))}
      {isOpen && schedule.data !== undefined && (
        <div className={classes['schedule']}>
          <ScheduleForm saved={schedule.data} />
        </div>
      )}
    </Section>
  );
}

/** The schedule in words, the next backup, and what came of the last one. */
function ScheduleFacts({ schedule, backups }: { schedule: BackupSchedule; backups: Backups | undefined }) {
  const { t } = useTranslation();
  const timesText = useTimesText();
  const destinationName = useDestinationName();
  const { include, retention } = schedule;
  const parts = INCLUDE_PARTS.filter((part) => include[part]).map((part) => t(`backup:inside.${part}`));
  const kept = (['count', 'days'] as const).flatMap((kind) => {
    const limit = retention[kind];
    return limit === null ? [] : [t(`backup:retention.${kind}Short`, { count: limit, number: formatCount(limit) })];
  });
  const problem = backups?.schedule.problem ?? null;
  const nextAtMs = backups?.schedule.nextAtMs ?? null;
  return (
    <Facts
      rows={[
        [
          t('backup:schedule.next'),
          schedule.isOn ? (
            `${nextAtMs === null ? '' : `${formatMinute(nextAtMs)} · `}${timesText(schedule.times)}`
          ) : (
            <StateMark key="off" tone="off">
              {t('backup:schedule.off')}
            </StateMark>
          ),
        ],
        [t('backup:schedule.last'), <LastOutcome key="last" backups={backups} />],
        [t('backup:make.destination'), destinationName(schedule.destination)],
        [t('backup:include.title'), [t('backup:inside.configuration'), ...parts].join(', ')],
        [t('backup:list.password'), t(schedule.hasPassword ? 'shared:yes' : 'shared:no')],
        [t('backup:retention.title'), kept.length === 0 ? t('backup:retention.allShort') : kept.join(', ')],
        ...(problem === null ? [] : [problemRow(t('backup:list.problem'), problemText(problem))]),
      ]}
    />
  );
}

function LastOutcome({ backups }: { backups: Backups | undefined }) {
  const { t } = useTranslation();
  const last = backups === undefined ? undefined : lastOfSchedule(backups.backups);
  if (last === undefined) return <>{t('backup:schedule.noneYet')}</>;
  return (
    <StateMark tone={toneOfBackup(last)}>
      {formatMinute(last.madeAtMs)}: {t(`backup:state.${last.state}`)}
      {last.problem !== null && `: ${problemText(last.problem)}`}
    </StateMark>
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
