import { useMemo, useRef, type ReactNode } from 'react';
import {
  createSortedRowModel,
  rowSortingFeature,
  sortFns,
  tableFeatures,
  useTable,
  type ColumnDef,
  type SortingState,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import classes from './DataTable.module.css';

/** Up to this many rows are all in the document, so that the browser's own search finds them. */
const MAX_PLAIN_ROWS = 200;
const ROW_HEIGHT_PX = 34;
const OVERSCAN_ROWS = 12;
const SKELETON_ROWS = 4;

export interface Column<Row> {
  key: string;
  header: string;
  cell: (row: Row) => ReactNode;
  /** What the column is sorted by; without it, it is not sortable. */
  sortBy?: (row: Row) => string | number;
  align?: 'right';
  /** A CSS width; without it the column takes what its content needs. */
  width?: string;
  /** Long text that may take several lines; everything else stays on one. */
  wrap?: boolean;
  /** A column of buttons: its header is only for screen readers, and it stays in view. */
  hideHeader?: boolean;
}

interface DataTableProps<Row> {
  /** The table's accessible name. */
  label: string;
  /** Undefined while loading: rows of the same height stand in. */
  rows: readonly Row[] | undefined;
  rowKey: (row: Row) => string;
  /** Must be stable (useMemo). */
  columns: Column<Row>[];
  initialSort?: SortingState;
  empty: ReactNode;
  /** Marks a row that waits for somebody. */
  emphasize?: (row: Row) => boolean;
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns });
const NO_ROWS: never[] = [];

/** A dense table: sortable by its headers, its head always in view, virtual beyond MAX_PLAIN_ROWS. */
export function DataTable<Row extends object>({
  label,
  rows,
  rowKey,
  columns,
  initialSort = NO_ROWS,
  empty,
  emphasize,
}: DataTableProps<Row>) {
  const { t } = useTranslation();
  const byKey = useMemo(() => new Map(columns.map((column) => [column.key, column])), [columns]);
  const definitions = useMemo(() => columns.map((column) => columnDefinition(column)), [columns]);
  const table = useTable({
    features,
    columns: definitions,
    data: rows ?? NO_ROWS,
    getRowId: rowKey,
    initialState: { sorting: initialSort },
  });
  const model = table.getRowModel().rows;
  const scrollBox = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: model.length,
    getScrollElement: () => scrollBox.current,
    estimateSize: () => ROW_HEIGHT_PX,
    overscan: OVERSCAN_ROWS,
    enabled: model.length > MAX_PLAIN_ROWS,
  });
  const window = visibleWindow(virtual, model.length);
  return (
    <div
      className={classes['box']}
      ref={scrollBox}
      data-virtual={model.length > MAX_PLAIN_ROWS}
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <table className={classes['table']} aria-label={label} aria-rowcount={model.length + 1} aria-busy={rows === undefined}>
        <thead>
          <tr>
            {table.getHeaderGroups()[0]?.headers.map((header) => {
              const column = byKey.get(header.column.id);
              const sorted = header.column.getIsSorted();
              return (
                <th
                  key={header.id}
                  scope="col"
                  data-pinned={column?.hideHeader === true}
                  style={{ width: column?.width, textAlign: column?.align }}
                  aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : undefined}
                >
                  {column?.sortBy === undefined ? (
                    <span className={column?.hideHeader === true ? 'b-visually-hidden' : undefined}>{column?.header}</span>
                  ) : (
                    <button type="button" className={classes['sort']} onClick={header.column.getToggleSortingHandler()}>
                      {column.header}
                      <span aria-hidden="true" className={classes['arrow']}>
                        {sorted === 'asc' ? '↑' : sorted === 'desc' ? '↓' : ''}
                      </span>
                    </button>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {rows === undefined && <SkeletonRows columns={columns.length} label={t('shared:loading')} />}
          {rows?.length === 0 && (
            <tr>
              <td colSpan={columns.length} className={classes['empty']}>
                {empty}
              </td>
            </tr>
          )}
          {window.before > 0 && <Spacer height={window.before} columns={columns.length} />}
          {model.slice(window.from, window.to).map((row, index) => (
            <tr key={row.id} aria-rowindex={window.from + index + 2} data-emphasized={emphasize?.(row.original) === true}>
              {columns.map((column) => (
                <td
                  key={column.key}
                  style={{ textAlign: column.align }}
                  data-align={column.align}
                  data-wrap={column.wrap === true}
                  data-pinned={column.hideHeader === true}
                >
                  {column.cell(row.original)}
                </td>
              ))}
            </tr>
          ))}
          {window.after > 0 && <Spacer height={window.after} columns={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

function columnDefinition<Row extends object>(column: Column<Row>): ColumnDef<typeof features, Row> {
  const { sortBy } = column;
  if (sortBy === undefined) return { id: column.key, header: column.header, enableSorting: false };
  return {
    id: column.key,
    header: column.header,
    accessorFn: sortBy,
    sortFn: (a, b) => compare(sortBy(a.original), sortBy(b.original)),
  };
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
}
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

function visibleWindow(virtual: ReturnType<typeof useVirtualizer<HTMLDivElement, Element>>, count: number) {
  if (count <= MAX_PLAIN_ROWS) return { from: 0, to: count, before: 0, after: 0 };
  const items = virtual.getVirtualItems();
  const first = items[0];
  const last = items.at(-1);
  if (first === undefined || last === undefined) return { from: 0, to: 0, before: 0, after: 0 };
  return { from: first.index, to: last.index + 1, before: first.start, after: virtual.getTotalSize() - last.end };
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true">
      <td colSpan={columns} style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

function SkeletonRows({ columns, label }: { columns: number; label: string }) {
  return Array.from({ length: SKELETON_ROWS }, (_, index) => (
    <tr key={index} aria-hidden={index > 0}>
      <td colSpan={columns}>
        <Skeleton height={12} aria-label={index === 0 ? label : undefined} />
      </td>
    </tr>
  ));
}
