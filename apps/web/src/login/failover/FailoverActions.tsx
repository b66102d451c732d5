import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { BecomePrimaryDialog } from './BecomePrimaryDialog.tsx';
import { BecomeBackupDialog, BreakDialog, SplitDialog } from './RoleDialogs.tsx';
import { recommendationOf, type PageKind } from './failover-model.ts';
import { useFailoverAct } from './failover-queries.ts';

type Action = 'sync' | 'refresh' | 'becomePrimary' | 'becomeBackup' | 'break' | 'split';
/** What can be done in each state, in the guides' order (B34, B35). A conflict is fixed in its own part of the page. */
const ACTIONS: Record<PageKind, readonly Action[]> = {
  none: [],
  broken: [],
  establishing: ['refresh'],
  primary: ['sync', 'refresh', 'becomeBackup', 'break'],
  'primary-alone': ['refresh', 'becomeBackup', 'break'],
  backup: ['sync', 'refresh', 'becomePrimary', 'break'],
  'primary-unreachable': ['refresh', 'becomePrimary', 'break'],
  'read-only': ['refresh', 'becomePrimary', 'split'],
  superseded: ['refresh', 'becomeBackup', 'becomePrimary', 'split'],
  restored: ['refresh', 'becomePrimary', 'becomeBackup', 'split'],
  'both-primary': ['refresh'],
  'both-backup': ['refresh', 'becomePrimary'],
  diverged: ['refresh'],
};

const DIALOGS = {
  becomePrimary: BecomePrimaryDialog,
  becomeBackup: BecomeBackupDialog,
  break: BreakDialog,
  split: SplitDialog,
} as const;
type Asked = keyof typeof DIALOGS;

/** The buttons of the state; what people would notice asks first. */
export function FailoverActions({ state, kind, nowMs }: { state: FailoverState; kind: PageKind; nowMs: number }) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState<Asked>();
  const isRecommended = kind === 'primary-unreachable' && recommendationOf(state, nowMs) === 'become-primary';
  const Dialog = asked === undefined ? undefined : DIALOGS[asked];
  return (
    <>
      {ACTIONS[kind].map((action) =>
        action === 'sync' || action === 'refresh' ? (
          <AtOnce key={action} action={action} isDisabled={state.busy !== null && action === 'sync'} />
        ) : (
          <Button
            key={action}
            variant={action === 'becomePrimary' && isRecommended ? 'filled' : 'default'}
            disabled={state.busy !== null}
            onClick={() => setAsked(action)}
          >
            {t(`failover:action.${action}`)}
          </Button>
        ),
      )}
      {Dialog !== undefined && <Dialog state={state} onClose={() => setAsked(undefined)} />}
    </>
  );
}

/** Sync Now and Refresh Status: harmless, done at once. */
function AtOnce({ action, isDisabled }: { action: 'sync' | 'refresh'; isDisabled: boolean }) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const run = useMutation({
    mutationFn: () => act(action),
    onSuccess: () => {
      if (action === 'sync') notifyDone(t('failover:syncBegun'));
    },
    onError: notifyFailure,
  });
  return (
    <Button variant="default" loading={run.isPending} disabled={isDisabled} onClick={() => run.mutate()}>
      {t(`failover:action.${action}`)}
    </Button>
  );
}
