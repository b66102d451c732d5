import { useCallback, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { ItemGrid, type GridChecks } from '../../console/items/ItemGrid.tsx';
import type { ItemFilter, ItemOrder } from '../../console/items/item-query.ts';
import { useItemPages, useJumpItem } from '../../console/items/use-item-pages.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { BulkBar } from './BulkBar.tsx';
import { ClientActions } from './ClientActions.tsx';
import { ClientDetails } from './ClientDetails.tsx';
import { ClientFilters } from './ClientFilters.tsx';
import { isSelected, NOTHING_SELECTED, selectedCount, toggled, type ClientSelection } from './client-selection.ts';
import { ConflictsSection } from './ConflictsSection.tsx';
import { EditJumpItemDialog } from './EditJumpItemDialog.tsx';
import { useJumpItemActions } from './jump-item-actions.tsx';
import { CLIENTS_TABLE_MIN_WIDTH, useJumpItemColumns } from './jump-item-columns.tsx';
import classes from './clients.module.css';

/** Whatever waits for a decision first. */
const FIRST_ORDER: ItemOrder = { sort: 'attention', descending: false };

/** Jump > Jump Clients: search, filters, and what can be done with one or with thousands at once. */
export function JumpClientsPage() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<ItemFilter>({});
  const [order, setOrder] = useState(FIRST_ORDER);
  const [range, setRange] = useState({ first: 0, last: 0 });
  const [selected, setSelected] = useState<string>();
  const [selection, setSelection] = useState<ClientSelection>(NOTHING_SELECTED);
  const [edited, setEdited] = useState<JumpItem>();
  const grid = useRef<HTMLDivElement>(null);
  const list = useItemPages(filter, order, range);
  const { total, newest } = list.pages;
  const { item: chosen } = useJumpItem(selected);
  const { actionsFor, decide, dialog } = useJumpItemActions(setEdited);
  const columns = useJumpItemColumns(actionsFor, decide);
  const checks = useChecks(selection, setSelection, total);
  // 'All found' means what is found now; another search is another question.
  const changeFilter = useCallback((next: ItemFilter) => {
    setFilter(next);
    setSelection((before) => (before.kind === 'all' ? NOTHING_SELECTED : before));
  }, []);
  return (
    <>
      <ConflictsSection />
      <Section
        title={t('login:jump.clients')}
        actions={
          <>
            <span role="status">{t('login:jump.found', { count: total })}</span>
            <ClientActions />
          </>
        }
      >
        <ClientFilters filter={filter} onFilter={changeFilter} page={newest} />
        {selectedCount(selection, total) > 0 && (
          <BulkBar
            selection={selection}
            filter={filter}
            found={total}
            knownTags={newest?.tags.map(({ tag }) => tag) ?? []}
            onAll={() => setSelection({ kind: 'all' })}
            onClear={() => setSelection(NOTHING_SELECTED)}
          />
        )}
        <div className={classes['frame']} data-details={chosen !== undefined || undefined}>
          <div className={classes['list']} aria-busy={list.isPending || list.isStale}>
            {total > 0 ? (
              <ItemGrid
                label={t('login:jump.clients')}
                pages={list.pages}
                columns={columns}
                minWidth={CLIENTS_TABLE_MIN_WIDTH}
                order={order}
                onOrder={setOrder}
                selected={selected}
                onSelect={setSelected}
                onEnter={setEdited}
                onRange={setRange}
                active
                gridRef={grid}
                checks={checks}
                emphasize={isWaiting}
                question={JSON.stringify([filter, order])}
              />
            ) : (
              <Nothing list={list} isFiltered={Object.keys(filter).length > 0} />
            )}
          </div>
          {chosen && <ClientDetails item={chosen} onEdit={() => setEdited(chosen)} onClose={() => setSelected(undefined)} />}
        </div>
      </Section>
      {edited !== undefined && <EditJumpItemDialog item={edited} onClose={() => setEdited(undefined)} />}
      {dialog}
    </>
  );
}

function useChecks(
  selection: ClientSelection,
  setSelection: (change: (before: ClientSelection) => ClientSelection) => void,
  total: number,
): GridChecks {
  const { t } = useTranslation();
  const count = selectedCount(selection, total);
  return useMemo(
    () => ({
      has: (id) => isSelected(selection, id),
      toggle: (item) => setSelection((before) => toggled(before, item.id)),
      all: selection.kind === 'all' ? true : count > 0 ? 'some' : false,
      toggleAll: () => setSelection((before) => (before.kind === 'all' ? NOTHING_SELECTED : { kind: 'all' })),
      labels: {
        all: t('login:jump.bulk.all', { found: total }),
        one: (item) => t('login:jump.bulk.select', { name: item.name }),
      },
    }),
    [selection, setSelection, count, total, t],
  );
}

function Nothing({ list, isFiltered }: { list: ReturnType<typeof useItemPages>; isFiltered: boolean }) {
  const { t } = useTranslation();
  if (list.isPending) return <Skeleton height={12} m="md" w="auto" aria-label={t('shared:loading')} />;
  if (list.error !== undefined) return <FormFailure error={list.error} />;
  return <p className={classes['nothing']}>{isFiltered ? t('login:jump.noMatch') : t('login:jump.noClients')}</p>;
}

function isWaiting(item: JumpItem): boolean {
  return item.state === 'waiting-for-approval' || item.state === 'to-be-confirmed';
}
