import { useCallback, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { oneTimePassword, type UserRow } from '@bascule/protocol/api/auth.ts';
import { useConfirm } from '../shared/ConfirmDialog.tsx';
import type { RowAction } from '../shared/RowMenu.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { useLoggedIn } from '../shared/login-state.ts';
import { notifyDone, notifyFailure } from '../shared/notify.ts';
import { apiPaths } from '../shared/paths.ts';
import type { IssuedPassword } from './OneTimePasswordDialog.tsx';
import { useRefreshUsers } from './user-queries.ts';

type Asked = 'disable' | 'resetPassword' | 'resetSecondFactor' | 'endLoginSessions';

/** What may be done with a user. What takes something away is asked first, with what follows from it. */
export function useUserActions(
  onEdit: (user: UserRow) => void,
  onIssued: (issued: IssuedPassword) => void,
): { actionsFor: (user: UserRow) => RowAction[]; dialog: ReactNode } {
  const { t } = useTranslation();
  const api = useApi();
  const me = useLoggedIn();
  const refresh = useRefreshUsers();
  const { ask, dialog } = useConfirm();
  const run = useCallback(
    async (user: UserRow, action: Asked | 'enable' | 'unlock') => {
      if (action === 'disable' || action === 'enable')
        await api.patch(apiPaths.user(user.id), anyAnswer, { disabled: action === 'disable' });
      else if (action === 'unlock') await api.patch(apiPaths.user(user.id), anyAnswer, { unlock: true });
      else if (action === 'resetSecondFactor') await api.post(apiPaths.userAction(user.id, 'reset-second-factor'), anyAnswer);
      else if (action === 'endLoginSessions') await api.post(apiPaths.userAction(user.id, 'end-login-sessions'), anyAnswer);
      else
        onIssued({
          name: user.name,
          password: (await api.post(apiPaths.userAction(user.id, 'reset-password'), oneTimePassword)).oneTimePassword,
        });
      await refresh();
      if (action !== 'resetPassword') notifyDone(t(`login:users.done.${action}`, { name: user.name }));
    },
    [api, onIssued, refresh, t],
  );
  const actionsFor = useCallback(
    (user: UserRow): RowAction[] => {
      const asked = (action: Asked): RowAction => ({
        label: `${t(`login:users.${action}`)} …`,
        dangerous: true,
        act: () =>
          ask({
            title: t(`login:users.${action}Title`, { name: user.name }),
            consequences: t(`login:users.${action}Consequences`, { name: user.name }),
            confirm: t(`login:users.${action}`),
            dangerous: true,
            act: () => run(user, action),
          }),
      });
      const atOnce = (action: 'enable' | 'unlock'): RowAction => ({
        label: t(`login:users.${action}`),
        act: () => void run(user, action).catch(notifyFailure),
      });
      return [
        { label: t('login:users.edit'), act: () => onEdit(user) },
        ...(user.lockedUntilMs !== null && user.lockedUntilMs > Date.now() ? [atOnce('unlock')] : []),
        ...(user.disabled ? [atOnce('enable')] : []),
        asked('resetPassword'),
        ...(user.secondFactors.length > 0 ? [asked('resetSecondFactor')] : []),
        asked('endLoginSessions'),
        ...(user.disabled || user.id === me.id ? [] : [asked('disable')]),
      ];
    },
    [t, ask, run, onEdit, me.id],
  );
  return { actionsFor, dialog };
}
