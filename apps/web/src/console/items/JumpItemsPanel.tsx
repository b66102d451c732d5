import { useCallback, useEffect, useRef, useState, type KeyboardEvent, type ReactNode, type RefObject } from 'react';
import { CloseButton, Loader, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { CONSOLE_TABLE_MIN_WIDTH, useConsoleColumns } from './console-columns.tsx';
import { GroupList } from './GroupList.tsx';
import type { ItemFilter } from './item-query.ts';
import { ItemGrid } from './ItemGrid.tsx';
import { DEFAULT_ORDER, groupCounts, jumpObstacle, type GroupChoice } from './items-model.ts';
import { JumpItemDetails } from './JumpItemDetails.tsx';
import { useItemPages, useJumpItem, type ItemPages } from './use-item-pages.ts';
import classes from './items.module.css';

interface JumpItemsPanelProps {
  /** The item whose session is being opened. */
  opening: string | undefined;
  onJump: (item: JumpItem) => void;
  /** Above the table: the running sessions to open again. */
  children?: ReactNode;
  /** Whether the panel is to be seen: only then it takes '/'. */
  active: boolean;
}

/** The first tab of the console: groups, search, table, details. */
export function JumpItemsPanel({ opening, onJump, children, active }: JumpItemsPanelProps) {
  const { t } = useTranslation('console');
  const [search, setSearch] = useState('');
  const [group, setGroup] = useState<GroupChoice>('all');
  const [order, setOrder] = useState(DEFAULT_ORDER);
  const [range, setRange] = useState({ first: 0, last: 0 });
  const [selected, setSelected] = useState<string>();
  const grid = useRef<HTMLDivElement>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const filter: ItemFilter = { text: search, ...(group !== 'all' && { groupId: group }) };
  const list = useItemPages(filter, order, range);
  const { pages } = list;
  const groups = groupCounts(pages.newest?.groups ?? []);
  const all = groups[0]?.items ?? 0;
  const { item: chosen } = useJumpItem(selected);
  useSlashKey(searchBox, active);
  const jump = useCallback(
    (item: JumpItem): void => {
      setSelected(item.id);
      if (!jumpObstacle(item)) onJump(item);
    },
    [onJump],
  );
  const columns = useConsoleColumns(opening, jump);
  const toTable = useToTable(list, grid, selected, setSelected);
  return (
    <div className={classes['panel']} data-details={chosen !== undefined || undefined}>
      <GroupList groups={groups} chosen={group} onChoose={setGroup} />
      <section className={classes['list']}>
        {children}
        <SearchBar
          inputRef={searchBox}
          search={search}
          onSearch={setSearch}
          onLeave={toTable}
          shown={pages.total}
          all={all}
          isStale={list.isStale}
        />
        {pages.total > 0 ? (
          <ItemGrid
            label={t('items.heading')}
            pages={pages}
            columns={columns}
            minWidth={CONSOLE_TABLE_MIN_WIDTH}
            order={order}
            onOrder={setOrder}
            selected={selected}
            onSelect={setSelected}
            onEnter={jump}
            onRange={setRange}
            active={active}
            gridRef={grid}
            question={JSON.stringify([filter, order])}
          />
        ) : (
          <Nothing loading={list.isPending} failed={list.error !== undefined} search={search} anyItems={all > 0} />
        )}
      </section>
      {chosen && <JumpItemDetails item={chosen} opening={opening !== undefined && opening === selected} onJump={jump} />}
    </div>
  );
}

/** On from the search to the table: Enter right after the last letter means the list that this letter leaves, so its answer is waited for. */
function useToTable(
  { pages, isStale }: ItemPages,
  grid: RefObject<HTMLDivElement | null>,
  selected: string | undefined,
  select: (id: string) => void,
): () => void {
  const [isWanted, setWanted] = useState(false);
  useEffect(() => {
    if (!isWanted || isStale) return;
    setWanted(false);
    grid.current?.focus();
    const first = pages.itemAt(0);
    if (first !== undefined && pages.indexOf(selected) === -1) select(first.id);
  }, [isWanted, isStale, pages, grid, selected, select]);
  return () => setWanted(true);
}

function useSlashKey(searchBox: RefObject<HTMLInputElement | null>, active: boolean): void {
  useEffect(() => {
    if (!active) return undefined;
    const onKeyDown = (event: globalThis.KeyboardEvent): void => {
      const typing =
        event.target instanceof HTMLElement &&
        event.target.closest('input, textarea, [contenteditable], [role="dialog"]') !== null;
      if (event.key !== '/' || event.ctrlKey || event.altKey || event.metaKey || typing) return;
      event.preventDefault();
      searchBox.current?.focus();
      searchBox.current?.select();
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [searchBox, active]);
}

interface SearchBarProps {
  inputRef: RefObject<HTMLInputElement | null>;
  search: string;
  onSearch: (search: string) => void;
  /** Down, Enter or Esc: on to the table. */
  onLeave: () => void;
  shown: number;
  all: number;
  isStale: boolean;
}

function SearchBar({ inputRef, search, onSearch, onLeave, shown, all, isStale }: SearchBarProps) {
  const { t } = useTranslation('console');
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onSearch('');
    if (event.key === 'Escape' || event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      onLeave();
    }
  };
  return (
    <div className={classes['searchBar']}>
      <TextInput
        ref={inputRef}
        type="search"
        className={classes['searchBox']}
        aria-label={t('items.search')}
        placeholder={t('items.searchHint')}
        value={search}
        maxLength={100}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onSearch(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        rightSection={search !== '' && <CloseButton size="sm" aria-label={t('items.clearSearch')} onClick={() => onSearch('')} />}
      />
      <span className={classes['count']} role="status" data-stale={isStale || undefined}>
        {shown === all ? t('items.count', { count: all }) : t('items.countOf', { shown, all })}
      </span>
      <span className={classes['keys']}>{t('items.keys')}</span>
    </div>
  );
}

function Nothing({
  loading,
  failed,
  search,
  anyItems,
}: {
  loading: boolean;
  failed: boolean;
  search: string;
  anyItems: boolean;
}) {
  const { t } = useTranslation('console');
  if (loading) {
    return (
      <div className={classes['nothing']}>
        <Loader size="sm" /> {t('items.loading')}
      </div>
    );
  }
  const text = failed
    ? t('items.loadFailed')
    : !anyItems
      ? t('items.noneYet')
      : search.trim() !== ''
        ? t('items.noMatch', { search: search.trim() })
        : t('items.groupEmpty');
  return <div className={classes['nothing']}>{text}</div>;
}
