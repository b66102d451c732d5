import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { TextInput } from '@mantine/core';
import type { UserRow } from '@bascule/protocol/api/auth.ts';
import { FormDialog } from '../shared/FormDialog.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { useLoggedIn } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';
import { RoleSelect } from './CreateUserDialog.tsx';
import { useRefreshUsers } from './user-queries.ts';

const DISPLAY_NAME_MAX_CHARACTERS = 100;

/** Display name and role of a user; nobody changes the own role. */
export function EditUserDialog({ user, kind, onClose }: { user: UserRow; kind: 'user' | 'box'; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const me = useLoggedIn();
  const refresh = useRefreshUsers();
  const [displayName, setDisplayName] = useState(user.displayName);
  const [role, setRole] = useState(user.role);
  const save = async () => {
    await api.patch(apiPaths.user(user.id), anyAnswer, {
      ...(displayName.trim() === '' ? {} : { displayName }),
      ...(role === user.role ? {} : { role }),
    });
    await refresh();
  };
  return (
    <FormDialog
      title={t('login:users.editTitle', { name: user.name })}
      confirm={t('shared:save')}
      onSubmit={save}
      onClose={onClose}
    >
      <TextInput
        label={t('login:displayName')}
        value={displayName}
        onChange={(event) => setDisplayName(event.currentTarget.value)}
        maxLength={DISPLAY_NAME_MAX_CHARACTERS}
        autoComplete="off"
        required
        withAsterisk={false}
        data-autofocus
      />
      {kind === 'user' && user.id !== me.id && <RoleSelect value={role} onChange={setRole} />}
    </FormDialog>
  );
}
