import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox } from '@mantine/core';
import type { EstablishPreview, EstablishRequest, FailoverState } from '@bascule/protocol/api/failover.ts';
import { formatDuration } from '../../shared/format.ts';
import { DangerDialog, Whom } from './DangerDialog.tsx';
import { replacedText } from './EstablishPreviewPanel.tsx';
import { useFailoverAct } from './failover-queries.ts';

interface EstablishDialogProps {
  request: EstablishRequest;
  preview: EstablishPreview;
  state: FailoverState;
  onClose: () => void;
}

/** Establish Relationship: what the other appliance has is replaced, so that is accepted by name. */
export function EstablishDialog({ request, preview, state, onClose }: EstablishDialogProps) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const [accepted, setAccepted] = useState(preview.replaced === null);
  const names = { self: state.self.appliance, peer: preview.peer?.name ?? request.backup.host };
  const { seconds } = preview.firstCopy;
  return (
    <DangerDialog
      title={t('failover:establish.dialog.title', names)}
      consequences={{
        what: t('failover:establish.dialog.what', names),
        whom: <Whom state={state} note={t('failover:establish.dialog.whom', names)} />,
        time:
          seconds === null
            ? t('failover:preview.secondsUnknown')
            : t('failover:establish.dialog.time', { time: formatDuration(Math.max(1, seconds) * 1000) }),
        undo: t('failover:establish.dialog.undo', names),
      }}
      confirm={t('failover:action.establish')}
      isReady={accepted}
      act={() => act('establish', request)}
      onClose={onClose}
    >
      {preview.replaced !== null && (
        <Checkbox
          label={t('failover:establish.dialog.replaced', { ...names, what: replacedText(t, preview) })}
          checked={accepted}
          onChange={(event) => setAccepted(event.currentTarget.checked)}
        />
      )}
    </DangerDialog>
  );
}
