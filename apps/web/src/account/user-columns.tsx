import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { UserRow } from '@bascule/protocol/api/auth.ts';
import type { Column } from '../shared/DataTable.tsx';
import { RowMenu, type RowAction } from '../shared/RowMenu.tsx';
import { StateMark } from '../shared/Section.tsx';
import { formatInstant } from '../shared/format.ts';

/** The columns of the list of users; box administrators have no roles. */
export function useUserColumns(actionsFor: (user: UserRow) => RowAction[], withRoles: boolean): Column<UserRow>[] {
  const { t } = useTranslation();
  return useMemo<Column<UserRow>[]>(
    () => [
      {
        key: 'name',
        header: t('login:name'),
        cell: (user) => <span style={{ fontWeight: 550 }}>{user.name}</span>,
        sortBy: (user) => user.name,
      },
      {
        key: 'displayName',
        header: t('login:displayName'),
        cell: (user) => user.displayName,
        sortBy: (user) => user.displayName,
      },
      ...(withRoles
        ? [
            {
              key: 'role',
              header: t('login:role'),
              cell: (user: UserRow) => t(`login:roles.${user.role}`),
              sortBy: (user: UserRow) => user.role,
            },
          ]
        : []),
      { key: 'state', header: t('login:users.state'), cell: (user) => <UserState user={user} /> },
      {
        key: 'secondFactors',
        header: t('login:users.secondFactor'),
        cell: (user) =>
          user.secondFactors.map((factor) => t(`login:factors.${factor}`)).join(', ') || (
            <span className="b-quiet">{t('shared:none')}</span>
          ),
      },
      {
        key: 'lastLogin',
        header: t('login:users.lastLogin'),
        cell: (user) => (
          <span className="b-mono">{user.lastLoginAtMs === null ? t('shared:never') : formatInstant(user.lastLoginAtMs)}</span>
        ),
        sortBy: (user) => user.lastLoginAtMs ?? 0,
      },
      {
        key: 'created',
        header: t('login:users.created'),
        cell: (user) => <span className="b-mono">{formatInstant(user.createdAtMs)}</span>,
        sortBy: (user) => user.createdAtMs,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (user) => <RowMenu name={user.name} actions={actionsFor(user)} />,
      },
    ],
    [t, actionsFor, withRoles],
  );
}

function UserState({ user }: { user: UserRow }) {
  const { t } = useTranslation();
  if (user.disabled) return <StateMark tone="bad">{t('login:users.disabled')}</StateMark>;
  if (user.lockedUntilMs !== null && user.lockedUntilMs > Date.now())
    return <StateMark tone="warn">{t('login:users.lockedUntil', { at: formatInstant(user.lockedUntilMs) })}</StateMark>;
  if (user.mustChangePassword) return <StateMark tone="warn">{t('login:users.mustChange')}</StateMark>;
  return <StateMark tone="ok">{t('login:users.active')}</StateMark>;
}
