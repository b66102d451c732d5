import { useEffect, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode, type RefObject } from 'react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Checkbox } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import type { ItemOrder, KnownPages } from './item-query.ts';
import { movedSelection } from './row-keys.ts';
import classes from './grid.module.css';

const ROW_HEIGHT = 32;
const OVERSCAN_ROWS = 12;
/** Browsers lose the place of what lies further down: beyond, the list is to be searched. */
const ROWS_MAX = 400_000;

export interface GridColumn {
  id: string;
  header: string;
  /** A track of a CSS grid. */
  width: string;
  sort?: ItemOrder['sort'];
  cell: (item: JumpItem) => ReactNode;
  /** Whole on hover. */
  title?: (item: JumpItem) => string;
  isMono?: boolean;
  /** A column of buttons: it stays in sight, and its header is for screen readers only. */
  isPinned?: boolean;
}

export interface GridChecks {
  has: (id: string) => boolean;
  toggle: (item: JumpItem) => void;
  /** Of all that is found. */
  all: boolean | 'some';
  toggleAll: () => void;
  labels: { all: string; one: (item: JumpItem) => string };
}

export interface ItemGridProps {
  label: string;
  pages: KnownPages;
  columns: readonly GridColumn[];
  /** Pixels below which the table scrolls sideways. */
  minWidth: number;
  order: ItemOrder;
  onOrder: (order: ItemOrder) => void;
  selected: string | undefined;
  onSelect: (id: string) => void;
  /** Enter, or a double click. */
  onEnter: (item: JumpItem) => void;
  onRange: (range: { first: number; last: number }) => void;
  /** Whether the table is to be seen: hidden elements forget how far they were scrolled. */
  active: boolean;
  /** The table itself, to give it the focus. */
  gridRef: RefObject<HTMLDivElement | null>;
  /** With it, rows can be ticked. */
  checks?: GridChecks;
  emphasize?: (item: JumpItem) => boolean;
  /** What the table shows another part of when it changes: it is scrolled up then. */
  question: string;
}

/** Jump Items as a grid of which only the rows in sight exist, in the document and in this window: the others are asked for when one scrolls there. */
export function ItemGrid(props: ItemGridProps) {
  const { t } = useTranslation();
  const { pages, columns, selected, gridRef, checks, onRange } = props;
  const overflows = useOverflow(gridRef);
  const count = Math.min(pages.total, ROWS_MAX);
  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => gridRef.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN_ROWS,
    // The header stands before the rows, and stays in sight above them.
    scrollMargin: ROW_HEIGHT,
    scrollPaddingStart: ROW_HEIGHT,
  });
  const rows = virtualizer.getVirtualItems();
  const [first, last] = [rows[0]?.index ?? 0, rows.at(-1)?.index ?? 0];
  useEffect(() => onRange({ first, last }), [first, last, onRange]);
  const cursor = useCursor(props, (index) => virtualizer.scrollToIndex(index));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget) return;
    const page = Math.max(1, Math.floor((gridRef.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2);
    const index = movedSelection(event.key, cursor.from(), count, page);
    const item = pages.itemAt(cursor.index);
    if (index !== undefined) cursor.move(index);
    else if (event.key === 'Enter' && item) props.onEnter(item);
    else if (event.key === ' ' && item && checks) checks.toggle(item);
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    // Its answer is a promise in newer browsers, which is no way to clean up.
    void gridRef.current?.scrollTo({ top: 0 });
  }, [props.question, gridRef]);
  useReturn(props.active, gridRef, () => cursor.index !== -1 && virtualizer.scrollToIndex(cursor.index));
  const gridStyle: CSSProperties & Record<`--${string}`, string> = {
    '--grid-tracks': [...(checks ? ['36px'] : []), ...columns.map(({ width }) => width)].join(' '),
    '--grid-min-width': `${props.minWidth}px`,
  };
  return (
    <>
      <div
        ref={gridRef}
        className={classes['grid']}
        data-overflows={overflows || undefined}
        style={gridStyle}
        role="grid"
        tabIndex={0}
        aria-label={props.label}
        aria-rowcount={pages.total + 1}
        aria-colcount={columns.length + (checks ? 1 : 0)}
        aria-multiselectable={checks !== undefined || undefined}
        aria-activedescendant={cursor.index === -1 || selected === undefined ? undefined : `row-${selected}`}
        onKeyDown={onKeyDown}
      >
        <HeaderRow {...props} />
        <div role="rowgroup" className={classes['rows']} style={{ height: virtualizer.getTotalSize() }}>
          {rows.map(({ index, start }) => (
            <ItemRow key={index} {...props} item={pages.itemAt(index)} index={index} top={start - ROW_HEIGHT} />
          ))}
        </div>
      </div>
      {overflows && <p className={classes['moreColumns']}>{t('shared:moreColumns')}</p>}
    </>
  );
}

/** Where the selection is. It may go to rows that are not here yet: they are selected when they come. */
function useCursor({ pages, question, selected, onSelect }: ItemGridProps, show: (index: number) => void) {
  const [awaited, setAwaited] = useState<number>();
  const last = useRef({ question, index: -1 });
  const known = pages.indexOf(selected);
  useEffect(() => {
    if (known !== -1 || last.current.question !== question) last.current = { question, index: known };
  }, [known, question]);
  const arrived = awaited === undefined ? undefined : pages.itemAt(awaited);
  useEffect(() => {
    if (arrived === undefined) return;
    setAwaited(undefined);
    onSelect(arrived.id);
  }, [arrived, onSelect]);
  return {
    index: awaited ?? known,
    /** Also when the selected row was scrolled so far away that its page is forgotten. */
    from: () => awaited ?? (known === -1 && last.current.question === question ? last.current.index : known),
    move: (to: number): void => {
      const item = pages.itemAt(to);
      setAwaited(item === undefined ? to : undefined);
      if (item !== undefined) onSelect(item.id);
      show(to);
    },
  };
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

function HeaderRow({ columns, order, onOrder, checks }: ItemGridProps) {
  const sorted = order.descending ? 'descending' : 'ascending';
  return (
    <div role="row" aria-rowindex={1} className={classes['headerRow']}>
      {checks && (
        <div role="columnheader" className={classes['check']}>
          <Checkbox
            size="xs"
            aria-label={checks.labels.all}
            checked={checks.all === true}
            indeterminate={checks.all === 'some'}
            onChange={checks.toggleAll}
          />
        </div>
      )}
      {columns.map(({ id, header, sort, isPinned }) => {
        if (sort === undefined)
          return (
            <div
              key={id}
              role="columnheader"
              aria-label={header}
              className={isPinned ? classes['pinned'] : classes['plainHeader']}
            >
              {isPinned ? null : header}
            </div>
          );
        const isSorted = order.sort === sort;
        return (
          <div key={id} role="columnheader" aria-sort={isSorted ? sorted : 'none'}>
            <button type="button" onClick={() => onOrder({ sort, descending: isSorted && !order.descending })}>
              {header}
              <span aria-hidden="true">{isSorted ? (order.descending ? ' ↓' : ' ↑') : ''}</span>
            </button>
          </div>
        );
      })}
    </div>
  );
}

type ItemRowProps = ItemGridProps & { item: JumpItem | undefined; index: number; top: number };

function ItemRow({ item, index, top, columns, selected, onSelect, onEnter, checks, emphasize }: ItemRowProps) {
  const style = { transform: `translateY(${top}px)` };
  if (item === undefined)
    return <div role="row" aria-rowindex={index + 2} aria-busy="true" className={classes['row']} data-loading style={style} />;
  return (
    <div
      id={`row-${item.id}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={item.id === selected}
      className={classes['row']}
      data-emphasized={emphasize?.(item) || undefined}
      style={style}
      onClick={() => onSelect(item.id)}
      onDoubleClick={() => onEnter(item)}
    >
      {checks && (
        <div role="gridcell" className={classes['check']} onClick={(event) => event.stopPropagation()}>
          <Checkbox
            size="xs"
            tabIndex={-1}
            aria-label={checks.labels.one(item)}
            checked={checks.has(item.id)}
            onChange={() => checks.toggle(item)}
          />
        </div>
      )}
      {columns.map(({ id, cell, title, isMono, isPinned }) => (
        <div
          key={id}
          role="gridcell"
          className={isPinned ? classes['pinned'] : isMono ? 'b-mono' : undefined}
          title={title?.(item)}
        >
          {cell(item)}
        </div>
      ))}
    </div>
  );
}
