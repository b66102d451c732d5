import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { ApiError, isAnswered } from '../../shared/api-client.ts';
import { AvailableUpdates } from './AvailableUpdates.tsx';
import { EndedNotice } from './EndedNotice.tsx';
import { InstalledSection } from './InstalledSection.tsx';
import { ManualInstallation } from './ManualInstallation.tsx';
import { ProgressSection } from './ProgressSection.tsx';
import { RolledBackBanner } from './RolledBackBanner.tsx';
import { TrustToConfirm } from './TrustPanel.tsx';
import { UpdatesHeadline } from './UpdatesHeadline.tsx';
import { VerificationSection } from './VerificationSection.tsx';
import { isTrustToConfirm } from './updates-model.ts';
import { useUpdatesState } from './updates-queries.ts';

const SKELETON_HEIGHT_PX = 640;

/** Updates (B20, B63-B79): where things stand, what can be installed, what is being installed, and the way by hand. */
export function UpdatesPage() {
  const { t } = useTranslation();
  const state = useUpdatesState();
  if (state.data === undefined)
    return state.isError ? (
      <QueryFailure query={state} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  const { data } = state;
  const isRefused = state.error instanceof ApiError && isAnswered(state.error);
  const isSilent = state.isError && !isRefused;
  return (
    <>
      <UpdatesHeadline state={data} isSilent={isSilent} />
      {isRefused && <QueryFailure query={state} />}
      <EndedNotice running={data.running} />
      {data.rolledBack !== null && <RolledBackBanner rolledBack={data.rolledBack} />}
      {data.running !== null && <ProgressSection running={data.running} nowMs={data.nowMs} isSilent={isSilent} />}
      {isTrustToConfirm(data) && <TrustToConfirm serverUrl={data.settings.serverUrl} />}
      <AvailableUpdates state={data} />
      {data.lastInstalled !== null && <VerificationSection installation={data.lastInstalled} isBusy={data.running !== null} />}
      <InstalledSection state={data} />
      <ManualInstallation state={data} />
    </>
  );
}
