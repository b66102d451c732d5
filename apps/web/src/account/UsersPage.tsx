import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { UserRow } from '@bascule/protocol/api/auth.ts';
import { DataTable } from '../shared/DataTable.tsx';
import { QueryFailure } from '../shared/QueryFailure.tsx';
import { Section } from '../shared/Section.tsx';
import { useApi } from '../shared/api-context.tsx';
import { CreateUserDialog } from './CreateUserDialog.tsx';
import { EditUserDialog } from './EditUserDialog.tsx';
import { OneTimePasswordDialog, type IssuedPassword } from './OneTimePasswordDialog.tsx';
import { useUserActions } from './user-actions.tsx';
import { useUserColumns } from './user-columns.tsx';
import { useUsers } from './user-queries.ts';

/** Users (of the site) or box administrators (of the appliance): the same page on both interfaces. */
export function UsersPage() {
  const { t } = useTranslation();
  const kind = useApi().prefix === '/api' ? 'user' : 'box';
  const users = useUsers();
  const [creating, setCreating] = useState(false);
  const [edited, setEdited] = useState<UserRow>();
  const [issued, setIssued] = useState<IssuedPassword>();
  const { actionsFor, dialog } = useUserActions(setEdited, setIssued);
  const columns = useUserColumns(actionsFor, kind === 'user');
  const refused = users.isError && users.data === undefined;
  const title = t(`login:users.title.${kind}`);
  return (
    <Section
      title={title}
      note={t(`login:users.note.${kind}`)}
      actions={!refused && <Button onClick={() => setCreating(true)}>{t(`login:users.create.${kind}`)}</Button>}
    >
      {refused ? (
        <QueryFailure query={users} />
      ) : (
        <DataTable
          label={title}
          rows={users.data?.users}
          rowKey={(user) => user.id}
          columns={columns}
          initialSort={[{ id: 'name', desc: false }]}
          empty={t('shared:none')}
        />
      )}
      {creating && <CreateUserDialog kind={kind} onIssued={setIssued} onClose={() => setCreating(false)} />}
      {edited !== undefined && <EditUserDialog user={edited} kind={kind} onClose={() => setEdited(undefined)} />}
      {issued !== undefined && <OneTimePasswordDialog issued={issued} onClose={() => setIssued(undefined)} />}
      {dialog}
    </Section>
  );
}
