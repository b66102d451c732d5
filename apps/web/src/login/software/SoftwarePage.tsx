import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { BackupHeadline } from './BackupHeadline.tsx';
import { BackupsTable } from './BackupsTable.tsx';
import { ChangesList } from './ChangesList.tsx';
import { DestinationsSection } from './DestinationsSection.tsx';
import { MakeBackupForm } from './MakeBackupForm.tsx';
import { RestoreSection } from './RestoreSection.tsx';
import { ScheduleSection } from './ScheduleSection.tsx';
import { VersionsSection } from './VersionsSection.tsx';
import { useBackups } from './software-queries.ts';

const HEADLINE_HEIGHT_PX = 124;

/** Management > Software (B37, B184-B192): versions, backups made by hand and by themselves, and the way to a restore. */
export function SoftwarePage() {
  const { t } = useTranslation();
  const backups = useBackups();
  const state = useRef<HTMLDivElement>(null);
  const isRunning = backups.data !== undefined && backups.data.running !== null;
  const wasAsked = useRef(false);
  // Who asked for a backup further down sees what comes of it.
  useEffect(() => {
    if (!isRunning || !wasAsked.current) return;
    wasAsked.current = false;
    state.current?.scrollIntoView({ block: 'center' });
  }, [isRunning]);
  return (
    <>
      <VersionsSection />
      <Section title={t('backup:title')} note={t('backup:note')}>
        <div ref={state}>
          {backups.data !== undefined && <BackupHeadline backups={backups.data} isStale={backups.isError} />}
          {backups.data === undefined &&
            (backups.isError ? (
              <QueryFailure query={backups} />
            ) : (
              <Skeleton height={HEADLINE_HEIGHT_PX} mb="sm" aria-label={t('shared:loading')} />
            ))}
        </div>
        {backups.data !== undefined && <ChangesList last={backups.data.last} />}
      </Section>
      <MakeBackupForm running={backups.data?.running ?? null} onBegun={() => (wasAsked.current = true)} />
      <Section title={t('backup:list.title')} note={t('backup:list.note')}>
        {(backups.data !== undefined || !backups.isError) && <BackupsTable backups={backups.data} />}
      </Section>
      <ScheduleSection backups={backups.data} />
      <DestinationsSection />
      <RestoreSection />
    </>
  );
}
