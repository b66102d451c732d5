import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { TextInput } from '@mantine/core';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { useJumpItems } from '../../console/items/use-jump-items.ts';
import { DataTable } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { ConflictsSection } from './ConflictsSection.tsx';
import { EditJumpItemDialog } from './EditJumpItemDialog.tsx';
import { matchesItem, waitingFirst } from './jump-item-order.ts';
import { useJumpItemActions } from './jump-item-actions.tsx';
import { useJumpItemColumns } from './jump-item-columns.tsx';

/** Jump > Jump Clients: whatever waits for a decision first. */
export function JumpClientsPage() {
  const { t } = useTranslation();
  const items = useJumpItems();
  const [search, setSearch] = useState('');
  const [edited, setEdited] = useState<JumpItem>();
  const { actionsFor, decide, dialog } = useJumpItemActions(setEdited);
  const columns = useJumpItemColumns(actionsFor, decide);
  const rows = useMemo(() => {
    if (items.data === undefined) return undefined;
    return [...items.data.byId.values()].filter((item) => matchesItem(item, search)).toSorted(waitingFirst);
  }, [items.data, search]);
  const searchField = (
    <TextInput
      type="search"
      aria-label={t('login:jump.search')}
      placeholder={t('login:jump.search')}
      value={search}
      onChange={(event) => setSearch(event.currentTarget.value)}
      w={240}
      size="xs"
    />
  );
  return (
    <>
      <ConflictsSection />
      <Section title={t('login:jump.clients')} actions={searchField}>
        {items.isError && items.data === undefined ? (
          <QueryFailure query={items} />
        ) : (
          <DataTable
            label={t('login:jump.clients')}
            rows={rows}
            rowKey={(item) => item.id}
            columns={columns}
            empty={search === '' ? t('login:jump.noClients') : t('login:jump.noMatch', { search })}
            emphasize={isWaiting}
          />
        )}
      </Section>
      {edited !== undefined && <EditJumpItemDialog item={edited} onClose={() => setEdited(undefined)} />}
      {dialog}
    </>
  );
}

function isWaiting(item: JumpItem): boolean {
  return item.state === 'waiting-for-approval' || item.state === 'to-be-confirmed';
}
