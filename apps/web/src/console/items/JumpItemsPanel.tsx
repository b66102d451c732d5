import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode, type RefObject } from 'react';
import { CloseButton, Loader, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { GroupList } from './GroupList.tsx';
import {
  countGroups,
  DEFAULT_SORT,
  filterItems,
  jumpObstacle,
  sortItems,
  type GroupChoice,
  type ItemSort,
} from './items-model.ts';
import { JumpItemDetails } from './JumpItemDetails.tsx';
import { JumpItemsTable } from './JumpItemsTable.tsx';
import { useJumpItems } from './use-jump-items.ts';
import classes from './items.module.css';

const NO_ITEMS: ReadonlyMap<string, JumpItem> = new Map();

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
  const query = useJumpItems();
  const byId = query.data?.byId ?? NO_ITEMS;
  const [search, setSearch] = useState('');
  const [group, setGroup] = useState<GroupChoice>('all');
  const [sort, setSort] = useState<ItemSort>(DEFAULT_SORT);
  const [selected, setSelected] = useState<string>();
  const grid = useRef<HTMLDivElement>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const sorted = useMemo(() => sortItems(byId.values(), sort), [byId, sort]);
  const groups = useMemo(() => countGroups(byId.values()), [byId]);
  // Not deferred: Enter right after the last letter must mean the list that letter leaves.
  const shown = useMemo(() => filterItems(sorted, search, group), [sorted, search, group]);
  useSlashKey(searchBox, active);
  const chosen = selected === undefined ? undefined : byId.get(selected);
  const jump = (item: JumpItem): void => {
    setSelected(item.id);
    if (!jumpObstacle(item)) onJump(item);
  };
  const toTable = (): void => {
    grid.current?.focus();
    if (!shown.some(({ id }) => id === selected)) setSelected(shown[0]?.id);
  };
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
          shown={shown.length}
          all={byId.size}
        />
        {shown.length > 0 ? (
          <JumpItemsTable
            items={shown}
            sort={sort}
            onSort={setSort}
            selected={selected}
            onSelect={setSelected}
            opening={opening}
            onJump={jump}
            active={active}
            gridRef={grid}
          />
        ) : (
          <Nothing loading={query.isPending} failed={query.isError && !query.data} search={search} anyItems={byId.size > 0} />
        )}
      </section>
      {chosen && <JumpItemDetails item={chosen} opening={opening !== undefined && opening === selected} onJump={jump} />}
    </div>
  );
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
}

function SearchBar({ inputRef, search, onSearch, onLeave, shown, all }: SearchBarProps) {
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
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onSearch(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        rightSection={search !== '' && <CloseButton size="sm" aria-label={t('items.clearSearch')} onClick={() => onSearch('')} />}
      />
      <span className={classes['count']} role="status">
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
