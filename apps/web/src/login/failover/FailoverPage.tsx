import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Skeleton } from '@mantine/core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { AlarmList } from './AlarmList.tsx';
import { LastFailure } from './LastFailure.tsx';
import { BusyPanel } from './BusyPanel.tsx';
import { ConflictSection } from './ConflictSection.tsx';
import { CopySection, ExposurePanel } from './CopySection.tsx';
import { EstablishSection } from './EstablishSection.tsx';
import { FailoverActions } from './FailoverActions.tsx';
import { FailoverHeadline } from './FailoverHeadline.tsx';
import { FailoverSettingsSection } from './FailoverSettingsSection.tsx';
import { HistorySection } from './HistorySection.tsx';
import { RehearsalSection } from './RehearsalSection.tsx';
import { SidesTable } from './SidesTable.tsx';
import { UnreachablePanel } from './UnreachablePanel.tsx';
import { WitnessSection } from './WitnessSection.tsx';
import { pageKindOf, type PageKind } from './failover-model.ts';
import { useFailover, useFailoverNow, useRefreshHeader } from './failover-queries.ts';
import classes from './failover.module.css';

const PAGE_HEIGHT_PX = 480;

/** Management > Failover (B33-B35, B142-B161): a page for each state of the pair. */
export function FailoverPage() {
  const { t } = useTranslation();
  const failover = useFailover();
  if (failover.data === undefined)
    return failover.isError ? (
      <QueryFailure query={failover} />
    ) : (
      <Skeleton height={PAGE_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return <FailoverView state={failover.data} readAtMs={failover.dataUpdatedAt} isStale={failover.isError} />;
}

function FailoverView({ state, readAtMs, isStale }: { state: FailoverState; readAtMs: number; isStale: boolean }) {
  const { t } = useTranslation();
  const nowMs = useFailoverNow(state, readAtMs);
  const kind = pageKindOf(state);
  const refreshHeader = useRefreshHeader();
  // Header and tabs are not to say anything else than the page below them.
  useEffect(() => void refreshHeader(), [refreshHeader, state.self.role, state.peerState]);
  return (
    <>
      <Section title={t(`failover:title.${titleOf(kind)}`)} actions={<FailoverActions state={state} kind={kind} nowMs={nowMs} />}>
        <FailoverHeadline state={state} kind={kind} nowMs={nowMs} />
        {isStale && (
          <Alert color="yellow" role="status" py="xs" mb="sm">
            {t('failover:stale')}
          </Alert>
        )}
        <BusyPanel busy={state.busy} nowMs={nowMs} />
        <LastFailure failed={state.failed ?? null} />
        <AlarmList alarms={state.alarms} kind={kind} />
        {kind === 'primary-unreachable' && (
          <div className={classes['panels']}>
            <UnreachablePanel state={state} nowMs={nowMs} />
            {state.exposure !== null && <ExposurePanel exposure={state.exposure} when="becoming" />}
          </div>
        )}
        {state.conflict !== null && <ConflictSection conflict={state.conflict} state={state} />}
        {state.peer !== null && <SidesTable self={state.self} peer={state.peer} state={state} />}
      </Section>
      <Parts state={state} kind={kind} />
      <HistorySection state={state} />
    </>
  );
}

/** What follows below the state, by state. */
function Parts({ state, kind }: { state: FailoverState; kind: PageKind }) {
  if (kind === 'none' || kind === 'broken' || kind === 'read-only') return <EstablishSection key={kind} state={state} />;
  if (kind === 'establishing') return state.copy === null ? null : <CopySection state={state} />;
  if (state.conflict !== null || kind === 'restored' || kind === 'superseded') return null;
  if (kind === 'primary-unreachable')
    return (
      <>
        <CopySection state={state} withExposure={false} />
        <WitnessSection state={state} />
      </>
    );
  return (
    <>
      <CopySection state={state} />
      <RehearsalSection state={state} />
      <WitnessSection state={state} />
      <FailoverSettingsSection state={state} />
    </>
  );
}

/** B34's words on a backup. */
function titleOf(kind: PageKind): 'backup' | 'primary' | 'failover' {
  if (kind === 'backup' || kind === 'primary-unreachable') return 'backup';
  return kind === 'primary' || kind === 'primary-alone' ? 'primary' : 'failover';
}
