import { useCallback, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import type { RowAction } from '../../shared/RowMenu.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshJump } from './jump-queries.ts';

type Verb = 'approve' | 'confirm' | 'revoke' | 'delete';

/** What may be done with a Jump Client in its state. `decide` approves or confirms at once; cutting one off is asked first. */
export function useJumpItemActions(onEdit: (item: JumpItem) => void): {
  actionsFor: (item: JumpItem) => RowAction[];
  decide: (item: JumpItem) => void;
  dialog: ReactNode;
} {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  const { ask, dialog } = useConfirm();
  const send = useCallback(
    async (item: JumpItem, verb: Verb) => {
      await api.post(apiPaths.jumpItemAction(item.id, verb), anyAnswer);
      await refresh();
      notifyDone(t(`login:jump.done.${verb}`, { name: item.name }));
    },
    [api, t, refresh],
  );
  const decide = useCallback(
    (item: JumpItem) => void send(item, item.state === 'waiting-for-approval' ? 'approve' : 'confirm').catch(notifyFailure),
    [send],
  );
  const askFirst = useCallback(
    (item: JumpItem, verb: 'revoke' | 'delete') =>
      ask({
        title: t(`login:jump.${verb}Title`, { name: item.name }),
        consequences: (
          <>
            <p style={{ marginTop: 0 }}>{t(`login:jump.${verb}Consequences`, { name: item.name, host: item.hostName })}</p>
            {item.sessions > 0 && <p style={{ marginBottom: 0 }}>{t('login:jump.sessionsEnd', { count: item.sessions })}</p>}
          </>
        ),
        confirm: t(`login:jump.${verb}`),
        dangerous: true,
        act: () => send(item, verb),
      }),
    [ask, send, t],
  );
  const actionsFor = useCallback(
    (item: JumpItem): RowAction[] => [
      { label: t('login:jump.edit'), act: () => onEdit(item) },
      ...(item.state === 'revoked'
        ? []
        : [{ label: `${t('login:jump.revoke')} …`, dangerous: true, act: () => askFirst(item, 'revoke') }]),
      { label: `${t('login:jump.delete')} …`, dangerous: true, act: () => askFirst(item, 'delete') },
    ],
    [t, onEdit, askFirst],
  );
  return { actionsFor, decide, dialog };
}
