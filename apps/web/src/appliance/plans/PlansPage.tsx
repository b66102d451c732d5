import { useTranslation } from 'react-i18next';
import { Alert, Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { ApiError, isAnswered } from '../../shared/api-client.ts';
import { ChooseKind } from './ChooseKind.tsx';
import { EarlierPlans } from './EarlierPlans.tsx';
import { PlanSection } from './PlanSection.tsx';
import { isUnderWay } from './plans-model.ts';
import { usePlansState } from './plans-queries.ts';

const SKELETON_HEIGHT_PX = 640;

/** Updates > Upgrade plans (B121-B138): which plan, what it will do, how it goes, and with what it ended. */
export function PlansPage() {
  const { t } = useTranslation();
  const state = usePlansState();
  if (state.data === undefined)
    return state.isError ? (
      <QueryFailure query={state} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  const { current, applianceName, nowMs, earlier, unavailable } = state.data;
  const isSilent = state.isError && !(state.error instanceof ApiError && isAnswered(state.error));
  return (
    <>
      {isSilent && (
        <Alert color="yellow" role="status" mb="md">
          {t('plans:silent')}
        </Alert>
      )}
      {current !== null && (
        <PlanSection key={current.id} plan={current} applianceName={applianceName} nowMs={nowMs} isSilent={isSilent} />
      )}
      {(current === null || !isUnderWay(current)) && <ChooseKind unavailable={unavailable} />}
      <EarlierPlans earlier={earlier} />
    </>
  );
}
