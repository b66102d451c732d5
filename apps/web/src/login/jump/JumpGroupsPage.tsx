import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { z } from 'zod';
import type { jumpGroup } from '@bascule/protocol/api/jump.ts';
import { useUsers } from '../../account/user-queries.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { RowMenu } from '../../shared/RowMenu.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { JumpGroupDialog } from './JumpGroupDialog.tsx';
import { useJumpGroups, useRefreshJump } from './jump-queries.ts';

export type JumpGroup = z.infer<typeof jumpGroup>;

/** Jump > Jump Groups: which users may see and jump to which Jump Clients. */
export function JumpGroupsPage() {
  const { t } = useTranslation();
  const groups = useJumpGroups();
  const [edited, setEdited] = useState<JumpGroup | 'new'>();
  const { ask, dialog } = useConfirm();
  const remove = useRemoveGroup(ask);
  const nameOf = useMemberName();
  const columns = useMemo<Column<JumpGroup>[]>(
    () => [
      {
        key: 'name',
        header: t('login:group.name'),
        cell: (group) => <span style={{ fontWeight: 550 }}>{group.name}</span>,
        sortBy: (group) => group.name,
      },
      {
        key: 'items',
        header: t('login:group.items'),
        cell: (group) => group.items,
        sortBy: (group) => group.items,
        align: 'right',
        width: '120px',
      },
      {
        key: 'members',
        header: t('login:group.members'),
        cell: (group) =>
          group.members.map((member) => nameOf(member)).join(', ') || (
            <span className="b-quiet">{t('login:group.onlyAdministrators')}</span>
          ),
        wrap: true,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (group) => (
          <RowMenu
            name={group.name}
            actions={[
              { label: t('login:group.edit'), act: () => setEdited(group) },
              { label: `${t('shared:delete')} …`, dangerous: true, act: () => remove(group) },
            ]}
          />
        ),
      },
    ],
    [t, remove, nameOf],
  );
  return (
    <Section
      title={t('login:group.title')}
      note={t('login:group.note')}
      actions={<Button onClick={() => setEdited('new')}>{t('login:group.create')}</Button>}
    >
      {groups.isError && groups.data === undefined ? (
        <QueryFailure query={groups} />
      ) : (
        <DataTable
          label={t('login:group.title')}
          rows={groups.data?.groups}
          rowKey={(group) => group.id}
          columns={columns}
          initialSort={[{ id: 'name', desc: false }]}
          empty={t('login:group.empty')}
        />
      )}
      {edited !== undefined && (
        <JumpGroupDialog group={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />
      )}
      {dialog}
    </Section>
  );
}

/** The name of a member, with a mark if the user is disabled and so has no access at present. */
function useMemberName(): (member: JumpGroup['members'][number]) => string {
  const { t } = useTranslation();
  const { data } = useUsers();
  return useMemo(() => {
    const disabled = new Set(data?.users.filter((user) => user.disabled).map((user) => user.id));
    return ({ id, name }) => (disabled.has(id) ? t('login:group.disabledMember', { name }) : name);
  }, [t, data]);
}

function useRemoveGroup(ask: ReturnType<typeof useConfirm>['ask']): (group: JumpGroup) => void {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  return useMemo(
    () => (group) =>
      ask({
        title: t('login:group.deleteTitle', { name: group.name }),
        consequences: t('login:group.deleteConsequences', { count: group.items, members: group.members.length }),
        confirm: t('shared:delete'),
        dangerous: true,
        act: async () => {
          await api.delete(apiPaths.jumpGroup(group.id), anyAnswer);
          await refresh();
        },
      }),
    [ask, t, api, refresh],
  );
}
