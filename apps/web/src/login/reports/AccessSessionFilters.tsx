import { useEffect, useState } from 'react';
import { useDebouncedValue } from '@mantine/hooks';
import { useTranslation } from 'react-i18next';
import { Button, Group, Select, TextInput } from '@mantine/core';
import { endReasons } from '@bascule/protocol/end-reason.ts';
import { isDay, type AccessSessionSearch } from './access-session-search.ts';

const STATES = ['live', 'ended', 'starting'] as const;
/** A text filter is applied when nothing was typed for this long. */
const TYPING_PAUSE_MS = 300;
const DAY_CHARACTERS = 10;
/** The fields are aligned at their labels, so that a reason below one moves no other; the button has no label. */
const LABEL_HEIGHT_PX = 19;

/** The filters above the report. */
export function AccessSessionFilters({
  search,
  onSearch,
}: {
  search: AccessSessionSearch;
  onSearch: (search: AccessSessionSearch) => void;
}) {
  const { t } = useTranslation();
  const set = (change: AccessSessionSearch) => onSearch({ ...search, ...change });
  const filtered = Object.values(search).some((value) => value !== undefined);
  return (
    <Group gap="xs" mb="sm" align="start" role="search" aria-label={t('login:reports.filters')}>
      <TextFilter label={t('login:session.user')} value={search.user} onChange={(user) => set({ user })} />
      <TextFilter label={t('login:session.item')} value={search.item} onChange={(item) => set({ item })} />
      <DayFilter label={t('login:reports.from')} value={search.from} onChange={(from) => set({ from })} />
      <DayFilter label={t('login:reports.to')} value={search.to} onChange={(to) => set({ to })} />
      <Select
        size="xs"
        label={t('login:session.state')}
        data={STATES.map((state) => ({ value: state, label: t(`shared:sessionState.${state}`) }))}
        value={search.state ?? null}
        onChange={(state) => set({ state: state ?? undefined })}
        clearable
        placeholder={t('login:reports.any')}
        w={130}
      />
      <Select
        size="xs"
        label={t('login:session.endReason')}
        data={endReasons.map((reason) => ({ value: reason, label: t(`shared:endReason.${reason}`) }))}
        value={search.endReason ?? null}
        onChange={(endReason) => set({ endReason: endReason ?? undefined })}
        clearable
        placeholder={t('login:reports.any')}
        w={230}
      />
      <Button variant="subtle" mt={LABEL_HEIGHT_PX} disabled={!filtered} onClick={() => onSearch({})}>
        {t('login:reports.clear')}
      </Button>
    </Group>
  );
}

function TextFilter({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const [text, setText] = useState(value ?? '');
  const [settled] = useDebouncedValue(text, TYPING_PAUSE_MS);
  useEffect(() => setText(value ?? ''), [value]);
  useEffect(() => {
    if (settled === text && settled !== (value ?? '')) onChange(settled === '' ? undefined : settled);
    // Only what was typed counts here; `onChange` and `value` follow from it.
  }, [settled]);
  return <TextInput size="xs" label={label} value={text} onChange={(event) => setText(event.currentTarget.value)} w={150} />;
}

/** A day as it is written everywhere here; the browser's own date field writes it in the order of the browser's country. */
function DayFilter({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const { t } = useTranslation();
  const [text, setText] = useState(value ?? '');
  const [isLeft, setLeft] = useState(false);
  useEffect(() => setText(value ?? ''), [value]);
  const isWrong = text !== '' && !isDay(text);
  const change = (next: string) => {
    setText(next);
    setLeft(false);
    if (next === '' || isDay(next)) onChange(next === '' ? undefined : next);
  };
  return (
    <TextInput
      size="xs"
      label={label}
      placeholder={t('login:reports.dayFormat')}
      value={text}
      onChange={(event) => change(event.currentTarget.value.trim())}
      onBlur={() => setLeft(true)}
      error={isLeft && isWrong ? t('login:reports.dayWrong') : undefined}
      maxLength={DAY_CHARACTERS}
      inputMode="numeric"
      autoComplete="off"
      w={130}
    />
  );
}
