import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Select, TextInput } from '@mantine/core';
import { createdUser, type Role } from '@bascule/protocol/api/auth.ts';
import { FormDialog } from '../shared/FormDialog.tsx';
import { useApi } from '../shared/api-context.tsx';
import { apiPaths } from '../shared/paths.ts';
import type { IssuedPassword } from './OneTimePasswordDialog.tsx';
import { useRefreshUsers } from './user-queries.ts';

const NAME_MAX_CHARACTERS = 64;
const DISPLAY_NAME_MAX_CHARACTERS = 100;

/** A new user, who gets a one-time password. */
export function CreateUserDialog({
  kind,
  onIssued,
  onClose,
}: {
  kind: 'user' | 'box';
  onIssued: (issued: IssuedPassword) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUsers();
  const [name, setName] = useState('');
  const [displayName, setDisplayName] = useState('');
  const [role, setRole] = useState<Role>(kind === 'box' ? 'administrator' : 'user');
  const create = async () => {
    const created = await api.post(apiPaths.users, createdUser, { name, displayName, role });
    onIssued({ name: created.user.name, password: created.oneTimePassword });
    await refresh();
  };
  return (
    <FormDialog
      title={t(`login:users.create.${kind}`)}
      confirm={t(`login:users.create.${kind}`)}
      onSubmit={create}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <TextInput
            label={t('login:name')}
            error={faultOf('body.name', t('login:users.nameInvalid'))}
            description={t('login:users.nameNote')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={NAME_MAX_CHARACTERS}
            autoComplete="off"
            required
            withAsterisk={false}
            data-autofocus
          />
          <TextInput
            label={t('login:displayName')}
            error={faultOf('body.displayName')}
            value={displayName}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
            maxLength={DISPLAY_NAME_MAX_CHARACTERS}
            autoComplete="off"
          />
          {kind === 'user' && <RoleSelect value={role} onChange={setRole} />}
        </>
      )}
    </FormDialog>
  );
}

/** Chooses a role; says what each may do. */
export function RoleSelect({ value, onChange }: { value: Role; onChange: (role: Role) => void }) {
  const { t } = useTranslation();
  const roles: Role[] = ['user', 'administrator'];
  return (
    <Select
      label={t('login:role')}
      description={t(`login:roleNote.${value}`)}
      data={roles.map((role) => ({ value: role, label: t(`login:roles.${role}`) }))}
      value={value}
      onChange={(next) => onChange(next === 'administrator' ? 'administrator' : 'user')}
    />
  );
}
