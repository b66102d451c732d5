import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { createColumnHelper, rowSortingFeature, tableFeatures, useTable, type SortingState } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { formatMinute } from '../../shared/format.ts';
import { ItemStatusMark } from './ItemStatusMark.tsx';
import { ITEM_COLUMNS, type ItemColumn, type ItemSort } from './items-model.ts';
import { JumpButton } from './JumpButton.tsx';
import { movedSelection } from './row-keys.ts';
import classes from './items.module.css';

const ROW_HEIGHT = 32;
const OVERSCAN_ROWS = 12;

const features = tableFeatures({ rowSortingFeature });
const helper = createColumnHelper<typeof features, JumpItem>();
// Sorted by items-model.ts; the table keeps columns and sort state.
const columns = ITEM_COLUMNS.map((id) => helper.display({ id, enableSorting: true }));

export interface JumpItemsTableProps {
  items: JumpItem[];
  sort: ItemSort;
  onSort: (sort: ItemSort) => void;
  selected: string | undefined;
  onSelect: (id: string) => void;
  opening: string | undefined;
  onJump: (item: JumpItem) => void;
  /** Whether the table is to be seen: hidden elements forget how far they were scrolled. */
  active: boolean;
  /** The table itself, to give it the focus. */
  gridRef: RefObject<HTMLDivElement | null>;
}

/** The Jump Items as a grid of which only the rows in sight exist. */
export function JumpItemsTable(props: JumpItemsTableProps) {
  const { t } = useTranslation('console');
  const { items, sort, selected, gridRef } = props;
  const overflows = useOverflow(gridRef);
  const sorting = useMemo<SortingState>(() => [{ id: sort.column, desc: sort.descending }], [sort]);
  const table = useTable({
    features,
    columns,
    data: items,
    getRowId: (item) => item.id,
    manualSorting: true,
    enableSortingRemoval: false,
    state: { sorting },
    onSortingChange: (change) => {
      const [next] = typeof change === 'function' ? change(sorting) : change;
      if (next) props.onSort({ column: next.id as ItemColumn, descending: next.desc });
    },
  });
  const { rows } = table.getRowModel();
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => gridRef.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: OVERSCAN_ROWS,
    // The header stands before the rows, and stays in sight above them.
    scrollMargin: ROW_HEIGHT,
    scrollPaddingStart: ROW_HEIGHT,
  });
  const selectedIndex = useMemo(() => items.findIndex(({ id }) => id === selected), [items, selected]);
  const select = (index: number): void => {
    const item = items[index];
    if (!item) return;
    props.onSelect(item.id);
    virtualizer.scrollToIndex(index);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor((gridRef.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2);
    const index = movedSelection(event.key, selectedIndex, items.length, page);
    const item = items[selectedIndex];
    if (index !== undefined) select(index);
    else if (event.key === 'Enter' && item) props.onJump(item);
    else return;
    event.preventDefault();
  };
  useEffect(() => gridRef.current?.scrollTo({ top: 0 }), [sort, gridRef]);
  useReturn(props.active, gridRef, () => selectedIndex !== -1 && virtualizer.scrollToIndex(selectedIndex));
  return (
    <>
      <div
        ref={gridRef}
        className={classes['grid']}
        data-overflows={overflows || undefined}
        role="grid"
        tabIndex={0}
        aria-rowcount={items.length + 1}
        aria-colcount={ITEM_COLUMNS.length + 1}
        aria-activedescendant={selectedIndex === -1 ? undefined : `row-${selected}`}
        onKeyDown={onKeyDown}
      >
        <HeaderRow headers={table.getHeaderGroups()[0]?.headers ?? []} sort={sort} />
        <div role="rowgroup" className={classes['rows']} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ index, start }) => {
            const item = rows[index]?.original;
            return item && <ItemRow key={item.id} {...props} item={item} index={index} top={start - ROW_HEIGHT} />;
          })}
        </div>
      </div>
      {overflows && <p className={classes['moreColumns']}>{t('items.moreColumns')}</p>}
    </>
  );
}

/** Whether the table is wider than its place, so that columns are out of sight. */
function useOverflow(gridRef: RefObject<HTMLDivElement | null>): boolean {
  const [overflows, setOverflows] = useState(false);
  useEffect(() => {
    const grid = gridRef.current;
    if (grid === null) return undefined;
    const observer = new ResizeObserver(() => setOverflows(grid.scrollWidth > grid.clientWidth));
    observer.observe(grid);
    return () => observer.disconnect();
  }, [gridRef]);
  return overflows;
}

/** Coming back from a session: the focus goes to the table, the selected row comes into sight. */
function useReturn(active: boolean, gridRef: RefObject<HTMLDivElement | null>, showSelected: () => void): void {
  const wasActive = useRef(active);
  useEffect(() => {
    const returned = active && !wasActive.current;
    wasActive.current = active;
    if (!returned) return undefined;
    gridRef.current?.focus();
    // The virtual list learns its height from an observer first.
    const frame = requestAnimationFrame(showSelected);
    return () => cancelAnimationFrame(frame);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- only the return matters, not what is selected later
  }, [active]);
}

interface SortableHeader {
  id: string;
  column: { getToggleSortingHandler: () => ((event: unknown) => void) | undefined };
}

function HeaderRow({ headers, sort }: { headers: readonly SortableHeader[]; sort: ItemSort }) {
  const { t } = useTranslation('console');
  const direction = sort.descending ? 'descending' : 'ascending';
  return (
    <div role="row" aria-rowindex={1} className={classes['headerRow']}>
      {headers.map((header) => (
        <div key={header.id} role="columnheader" aria-sort={header.id === sort.column ? direction : 'none'}>
          <button type="button" onClick={header.column.getToggleSortingHandler()}>
            {t(`column.${header.id as ItemColumn}`)}
            <span aria-hidden="true">{header.id === sort.column ? (sort.descending ? ' ↓' : ' ↑') : ''}</span>
          </button>
        </div>
      ))}
      <div role="columnheader" aria-label={t('jump')} />
    </div>
  );
}

type ItemRowProps = JumpItemsTableProps & { item: JumpItem; index: number; top: number };

function ItemRow({ item, index, top, selected, onSelect, onJump, opening }: ItemRowProps) {
  const cell = (text: string, mono = false) => (
    <div role="gridcell" className={mono ? 'b-mono' : undefined} title={text}>
      {text}
    </div>
  );
  return (
    <div
      id={`row-${item.id}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={item.id === selected}
      className={classes['row']}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onSelect(item.id)}
      onDoubleClick={() => onJump(item)}
    >
      <div role="gridcell">
        <ItemStatusMark item={item} />
      </div>
      <div role="gridcell" className={classes['name']} title={item.name}>
        {item.name}
      </div>
      {cell(item.groupName ?? '')}
      {cell(item.hostName, true)}
      {cell(item.os)}
      {cell(item.runsAs, true)}
      {cell(item.addresses.join(', '), true)}
      {cell(item.sinceMs === null ? '' : formatMinute(item.sinceMs))}
      <div role="gridcell" className={classes['jumpCell']}>
        <JumpButton compact item={item} opening={opening === item.id} onJump={onJump} />
      </div>
    </div>
  );
}
