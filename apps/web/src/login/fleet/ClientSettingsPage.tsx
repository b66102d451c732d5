import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { FleetSettingsForm } from './FleetSettingsForm.tsx';
import { useFleetSettings } from './fleet-queries.ts';

const SKELETON_HEIGHT_PX = 900;

/** Jump > Client settings: how clients are upgraded, connect and are trusted (B30, B31, B104-B109). */
export function ClientSettingsPage() {
  const { t } = useTranslation();
  const settings = useFleetSettings();
  return (
    <Section title={t('fleet:settings.title')} note={t('fleet:settings.note')}>
      {settings.data !== undefined && <FleetSettingsForm saved={settings.data} />}
      {settings.data === undefined &&
        (settings.isError ? (
          <QueryFailure query={settings} />
        ) : (
          <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
        ))}
    </Section>
  );
}
