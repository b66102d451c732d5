import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { MultiSelect, TextInput } from '@mantine/core';
import { useUsers } from '../../account/user-queries.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import type { JumpGroup } from './JumpGroupsPage.tsx';
import { useRefreshJump } from './jump-queries.ts';

const NAME_MAX_CHARACTERS = 64;

/** Makes a Jump Group, or changes the name and members of one. */
export function JumpGroupDialog({ group, onClose }: { group: JumpGroup | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  const users = useUsers();
  const [name, setName] = useState(group?.name ?? '');
  const [memberIds, setMemberIds] = useState(group?.members.map((member) => member.id) ?? []);
  const choices = (users.data?.users ?? [])
    .filter((user) => user.role === 'user' || memberIds.includes(user.id))
    .map((user) => ({ value: user.id, label: user.disabled ? t('login:group.disabledMember', { name: user.name }) : user.name }));
  const save = async () => {
    if (group === undefined) await api.post(apiPaths.jumpGroups, anyAnswer, { name });
    else await api.patch(apiPaths.jumpGroup(group.id), anyAnswer, { name, memberIds });
    await refresh();
  };
  return (
    <FormDialog
      title={group === undefined ? t('login:group.createTitle') : t('login:group.editTitle', { name: group.name })}
      confirm={group === undefined ? t('login:group.create') : t('shared:save')}
      onSubmit={save}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <TextInput
            label={t('login:group.name')}
            error={faultOf('body.name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={NAME_MAX_CHARACTERS}
            required
            withAsterisk={false}
            data-autofocus
          />
          {group !== undefined && (
            <MultiSelect
              label={t('login:group.members')}
              error={faultOf('body.memberIds')}
              description={t('login:group.membersNote')}
              data={choices}
              value={memberIds}
              onChange={setMemberIds}
              searchable
              nothingFoundMessage={t('login:group.noUsers')}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
