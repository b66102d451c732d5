import { useTranslation } from 'react-i18next';
import { Skeleton, Text } from '@mantine/core';
import { CopyField } from '../../shared/CopyField.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { ConfirmedTrust, TrustToConfirm } from './TrustPanel.tsx';
import { UpdateSettingsForm } from './UpdateSettingsForm.tsx';
import { isTrustToConfirm } from './updates-model.ts';
import { useUpdatesState } from './updates-queries.ts';
import classes from './updates.module.css';

const SKELETON_HEIGHT_PX = 640;

/** Updates > Settings: where packages come from, whom we believe, when and how they go in. */
export function UpdateSettingsPage() {
  const { t } = useTranslation();
  const state = useUpdatesState();
  if (state.data === undefined)
    return state.isError ? (
      <QueryFailure query={state} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  const { settings, trust, publicKey, applianceName } = state.data;
  return (
    <>
      <Section title={t('updates:settings.title')}>
        <UpdateSettingsForm saved={settings} hasTrust={trust !== null} />
      </Section>
      {isTrustToConfirm(state.data) && <TrustToConfirm serverUrl={settings.serverUrl} />}
      {trust !== null && <ConfirmedTrust trust={trust} />}
      <Section title={t('updates:publicKey.title')}>
        <div className={classes['panel']}>
          <Text mb="xs" maw="80ch">
            {t('updates:publicKey.note', { name: applianceName })}
          </Text>
          <CopyField label={t('updates:publicKey.title')} value={publicKey} />
        </div>
      </Section>
    </>
  );
}
