import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Text } from '@mantine/core';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshFleet, useRollout } from './fleet-queries.ts';

/** What can be done with the rollout in its state: Pause, Resume, or Start for this version. */
export function RolloutActions() {
  const { data: rollout } = useRollout();
  if (rollout?.state === 'running') return <PauseButton />;
  if (rollout?.state === 'paused' || rollout?.state === 'halted') return <ResumeButton rollout={rollout} />;
  if (rollout?.state === 'off') return <StartButton rollout={rollout} />;
  return null;
}

/** Can be taken back at any time, so it is not asked first. */
function PauseButton() {
  const { t } = useTranslation();
  const act = useAction('pause');
  const [isBusy, setBusy] = useState(false);
  const pause = () => {
    setBusy(true);
    act()
      .then(() => notifyDone(t('fleet:action.paused')))
      .catch(notifyFailure)
      .finally(() => setBusy(false));
  };
  return (
    <Button variant="default" loading={isBusy} onClick={pause}>
      {t('fleet:action.pause')}
    </Button>
  );
}

function ResumeButton({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const act = useAction('resume');
  const [isOpen, setOpen] = useState(false);
  const [retryFailed, setRetryFailed] = useState(true);
  const failed = rollout.counts.failed + rollout.counts.rolledBack;
  const resume = async () => {
    await act({ retryFailed: retryFailed && failed > 0 });
    notifyDone(t('fleet:action.resumed'));
  };
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t('fleet:action.resume')}</Button>
      {isOpen && (
        <FormDialog
          title={t('fleet:action.resumeTitle', { version: rollout.version })}
          confirm={t('fleet:action.resume')}
          onSubmit={resume}
          onClose={() => setOpen(false)}
        >
          <Text>{rollout.state === 'halted' ? t('fleet:action.resumeHalted') : t('fleet:action.resumePaused')}</Text>
          {failed > 0 && (
            <Checkbox
              label={t('fleet:action.retryFailed', { count: failed, number: formatCount(failed) })}
              description={t('fleet:action.retryFailedNote')}
              checked={retryFailed}
              onChange={(event) => setRetryFailed(event.currentTarget.checked)}
            />
          )}
        </FormDialog>
      )}
    </>
  );
}

function StartButton({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const act = useAction('start');
  const { ask, dialog } = useConfirm();
  const waiting = rollout.counts.total - rollout.counts.current - rollout.counts.unsupported;
  const start = () =>
    ask({
      title: t('fleet:action.startTitle', { version: rollout.version }),
      consequences: t('fleet:action.startConsequences', {
        count: waiting,
        number: formatCount(waiting),
        bytes: formatBytes(rollout.bytesPerClient),
      }),
      confirm: t('fleet:action.start'),
      act: () => act(),
    });
  return (
    <>
      <Button onClick={start}>{t('fleet:action.start')}</Button>
      {dialog}
    </>
  );
}

function useAction(action: 'pause' | 'resume' | 'start'): (body?: unknown) => Promise<void> {
  const api = useApi();
  const refresh = useRefreshFleet();
  return async (body) => {
    await api.post(apiPaths.rolloutAction(action), anyAnswer, body);
    await refresh();
  };
}
