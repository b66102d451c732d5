import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox } from '@mantine/core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { DangerDialog, Whom } from './DangerDialog.tsx';
import { acceptedKeyOf, acceptedLossOf, formatSeconds, losesAnything, namesOf } from './failover-model.ts';
import { useFailoverAct } from './failover-queries.ts';

/** Become Primary (B158-B160): with a pull first while the other side answers; otherwise what is lost is written out and has to be accepted. */
export function BecomePrimaryDialog({ state, onClose }: { state: FailoverState; onClose: () => void }) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const isReachable = state.peerState === 'reachable';
  const [pullFirst, setPullFirst] = useState(true);
  const [accepted, setAccepted] = useState<string>();
  const pulls = isReachable && pullFirst;
  const { exposure } = state;
  const isKnownLoss = exposure === null || losesAnything(exposure);
  // A primary that cannot be asked may have gone on: that is accepted, too.
  const mayLose = !pulls && (isKnownLoss || !isReachable);
  // Accepted are the numbers that stood there: when they change, so does the question.
  const asked = acceptedKeyOf(exposure);
  const names = namesOf(state);
  const acceptedLoss = acceptedLossOf(exposure);
  const send = () => act('become-primary', { pullFirst: pulls, ...(!pulls && acceptedLoss !== undefined && { acceptedLoss }) });
  const way = pulls ? 'pull' : isReachable ? 'swap' : 'alone';
  return (
    <DangerDialog
      title={t('failover:becomePrimary.title', names)}
      consequences={{
        what: t(`failover:becomePrimary.what.${way}`, names),
        whom: <Whom state={state} note={t(`failover:becomePrimary.whom.${way}`, names)} />,
        time: t(`failover:becomePrimary.time.${way}`, names),
        undo: t(`failover:becomePrimary.undo.${way}`, names),
      }}
      confirm={t('failover:action.becomePrimary')}
      isReady={!mayLose || accepted === asked}
      act={send}
      onClose={onClose}
    >
      {isReachable && (
        <Checkbox
          label={t('failover:becomePrimary.pullFirst')}
          description={t('failover:becomePrimary.pullFirstNote')}
          checked={pullFirst}
          onChange={(event) => setPullFirst(event.currentTarget.checked)}
        />
      )}
      {!pulls && <LossText state={state} />}
      {mayLose && (
        <Checkbox
          label={t(isKnownLoss ? 'failover:becomePrimary.accept' : 'failover:becomePrimary.acceptUnknown', names)}
          checked={accepted === asked}
          onChange={(event) => setAccepted(event.currentTarget.checked ? asked : undefined)}
        />
      )}
    </DangerDialog>
  );
}

/** What is lost, in words. */
function LossText({ state }: { state: FailoverState }) {
  const { t, i18n } = useTranslation();
  const { exposure } = state;
  const { peer } = namesOf(state);
  if (exposure === null)
    return (
      <Alert color="red" role="alert" py="xs">
        {t('failover:becomePrimary.lossUnknown', { peer })}
      </Alert>
    );
  if (!losesAnything(exposure) && state.peerState !== 'reachable')
    return (
      <Alert color="yellow" role="status" py="xs">
        {t('failover:becomePrimary.lossNoneKnown', { peer, at: formatInstant(exposure.asOfMs) })}
      </Alert>
    );
  if (!losesAnything(exposure))
    return (
      <Alert color="green" role="status" py="xs">
        {t('failover:becomePrimary.lossNone')}
      </Alert>
    );
  return (
    <Alert color="red" role="alert" py="xs" title={t('failover:becomePrimary.lossTitle')}>
      {t('failover:becomePrimary.loss', {
        changes: formatCount(exposure.changes),
        seconds: formatSeconds(exposure.seconds, i18n.language),
        sessions: formatCount(exposure.sessions),
        recordings: formatBytes(exposure.recordingBytes),
        files: formatBytes(exposure.fileBytes),
        peer,
      })}
    </Alert>
  );
}
