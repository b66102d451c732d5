import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox } from '@mantine/core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { DangerDialog, Whom } from './DangerDialog.tsx';
import { namesOf } from './failover-model.ts';
import { useFailoverAct } from './failover-queries.ts';

interface RoleDialogProps {
  state: FailoverState;
  onClose: () => void;
}

/** Become Backup (B35): the roles are swapped; also, if a person says so, when the peer site cannot be contacted. */
export function BecomeBackupDialog({ state, onClose }: RoleDialogProps) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const [evenIfUnreachable, setEvenIfUnreachable] = useState(false);
  const isReachable = state.peerState === 'reachable';
  const names = namesOf(state);
  const way = isReachable ? 'swap' : 'alone';
  return (
    <DangerDialog
      title={t('failover:becomeBackup.title', names)}
      consequences={{
        what: t(`failover:becomeBackup.what.${way}`, names),
        whom: <Whom state={state} note={t(`failover:becomeBackup.whom.${way}`, names)} />,
        time: t(`failover:becomeBackup.time.${way}`, names),
        undo: t('failover:becomeBackup.undo', names),
      }}
      confirm={t('failover:action.becomeBackup')}
      isReady={isReachable || evenIfUnreachable}
      act={() => act('become-backup', { evenIfUnreachable })}
      onClose={onClose}
    >
      <Checkbox
        label={t('failover:becomeBackup.evenIfUnreachable')}
        description={t('failover:becomeBackup.evenIfUnreachableNote', names)}
        checked={evenIfUnreachable}
        onChange={(event) => setEvenIfUnreachable(event.currentTarget.checked)}
      />
    </DangerDialog>
  );
}

/** Break Failover Relationships (B161). */
export function BreakDialog({ state, onClose }: RoleDialogProps) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const names = namesOf(state);
  const side = state.self.role === 'primary' ? 'primary' : 'backup';
  return (
    <DangerDialog
      title={t('failover:break.title', names)}
      consequences={{
        what: t(`failover:break.what.${side}`, names),
        whom: <Whom state={state} note={t('failover:break.whom')} />,
        time: t('failover:break.time'),
        undo: t('failover:break.undo'),
      }}
      confirm={t('failover:action.break')}
      act={() => act('break')}
      onClose={onClose}
    />
  );
}

/** Split: the read-only side becomes a site of its own. */
export function SplitDialog({ state, onClose }: RoleDialogProps) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const [understood, setUnderstood] = useState(false);
  const names = namesOf(state);
  return (
    <DangerDialog
      title={t('failover:split.title', names)}
      consequences={{
        what: t('failover:split.what', names),
        whom: t('failover:split.whom', names),
        time: t('failover:split.time'),
        undo: t('failover:split.undo', names),
      }}
      confirm={t('failover:action.split')}
      isReady={understood}
      act={() => act('split')}
      onClose={onClose}
    >
      <Checkbox
        label={t('failover:split.understood')}
        checked={understood}
        onChange={(event) => setUnderstood(event.currentTarget.checked)}
      />
    </DangerDialog>
  );
}
