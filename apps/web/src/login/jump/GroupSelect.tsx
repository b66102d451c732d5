import { useTranslation } from 'react-i18next';
import { Select } from '@mantine/core';
import { useJumpGroups } from './jump-queries.ts';

/** Chooses a Jump Group, or none. */
export function GroupSelect({ value, onChange }: { value: string | null; onChange: (groupId: string | null) => void }) {
  const { t } = useTranslation();
  const groups = useJumpGroups();
  const data = [
    { value: '', label: t('login:jump.noGroup') },
    ...(groups.data?.groups ?? []).map((group) => ({ value: group.id, label: group.name })),
  ];
  return (
    <Select
      label={t('login:jump.group')}
      data={data}
      value={value ?? ''}
      onChange={(next) => onChange(next === '' ? null : next)}
      searchable={data.length > 10}
    />
  );
}
