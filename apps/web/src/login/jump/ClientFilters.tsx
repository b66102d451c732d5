import { useTranslation } from 'react-i18next';
import { Button, Select, TextInput } from '@mantine/core';
import { clientState, jumpProgram, type JumpItemsPage } from '@bascule/protocol/api/jump.ts';
import { upgradeState } from '@bascule/protocol/api/fleet.ts';
import type { ItemFilter } from '../../console/items/item-query.ts';
import { oneOf } from './one-of.ts';
import classes from './clients.module.css';

const SEARCH_MAX_CHARACTERS = 100;

/** Search and filters of the list of Jump Clients; groups and tags with how many they hold. */
export function ClientFilters({
  filter,
  onFilter,
  page,
}: {
  filter: ItemFilter;
  onFilter: (filter: ItemFilter) => void;
  page: JumpItemsPage | undefined;
}) {
  const { t } = useTranslation();
  const change = (part: ItemFilter) => {
    const next = { ...filter, ...part };
    onFilter(Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined && value !== '')));
  };
  const counted = (label: string, items: number) => t('login:jump.counted', { label, items });
  const groups = (page?.groups ?? []).map(({ id, name, items }) => ({
    value: id ?? 'none',
    label: counted(name ?? t('login:jump.withoutGroup'), items),
  }));
  const tags = (page?.tags ?? []).map(({ tag, items }) => ({ value: tag, label: counted(tag, items) }));
  return (
    <div className={classes['filters']} role="search">
      <TextInput
        type="search"
        aria-label={t('login:jump.search')}
        placeholder={t('login:jump.search')}
        value={filter.text ?? ''}
        maxLength={SEARCH_MAX_CHARACTERS}
        onChange={(event) => change({ text: event.currentTarget.value })}
        className={classes['search']}
      />
      <Filter
        label={t('login:jump.group')}
        data={groups}
        value={filter.groupId}
        onChange={(groupId) => change({ groupId })}
        searchable
      />
      <Filter label={t('login:jump.tag')} data={tags} value={filter.tag} onChange={(tag) => change({ tag })} searchable />
      <Filter
        label={t('login:jump.state')}
        data={clientState.options.map((value) => ({ value, label: t(`shared:clientState.${value}`) }))}
        value={filter.state}
        onChange={(value) => change({ state: oneOf(clientState.options, value) })}
      />
      <Filter
        label={t('login:jump.presence')}
        data={[
          { value: 'true', label: t('login:jump.online') },
          { value: 'false', label: t('login:jump.offline') },
        ]}
        value={filter.online === undefined ? undefined : String(filter.online)}
        onChange={(value) => change({ online: value === undefined ? undefined : value === 'true' })}
      />
      <Filter
        label={t('login:jump.upgrade')}
        data={upgradeState.options.map((value) => ({ value, label: t(`login:jump.upgrades.${value}`) }))}
        value={filter.upgrade}
        onChange={(value) => change({ upgrade: oneOf(upgradeState.options, value) })}
      />
      <Filter
        label={t('login:jump.program')}
        data={jumpProgram.options.map((value) => ({
          value,
          label: counted(t(`shared:program.${value}`), page?.programs.find(({ program }) => program === value)?.items ?? 0),
        }))}
        value={filter.program}
        onChange={(value) => change({ program: oneOf(jumpProgram.options, value) })}
      />
      {Object.keys(filter).length > 0 && (
        <Button variant="subtle" onClick={() => onFilter({})}>
          {t('login:jump.clearFilters')}
        </Button>
      )}
    </div>
  );
}

function Filter({
  label,
  data,
  value,
  onChange,
  searchable = false,
}: {
  label: string;
  data: { value: string; label: string }[];
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  searchable?: boolean;
}) {
  return (
    <Select
      aria-label={label}
      placeholder={label}
      data={data}
      value={value ?? null}
      onChange={(next) => onChange(next ?? undefined)}
      clearable
      searchable={searchable}
      className={classes['filter']}
      comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
    />
  );
}
