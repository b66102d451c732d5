import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ActionIcon, Button, Group, MultiSelect, Text, TextInput } from '@mantine/core';
import { RINGS_MAX, type FleetSettings } from '@bascule/protocol/api/fleet.ts';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { useJumpGroups } from '../jump/jump-queries.ts';
import { moveRing, PERCENT_LIMITS, WAIT_MINUTES_LIMITS } from './fleet-model.ts';
import classes from './fleet.module.css';

type Ring = FleetSettings['rings'][number];
const NAME_MAX_CHARACTERS = 40;
const GROUPS_MAX = 100;
const NEW_RING: Ring = { name: '', groupIds: [], percent: 10, waitMinutes: 60 };

/** The rings in their order. The last one takes all that no ring before it took. */
export function RingsEditor({ rings, onChange }: { rings: Ring[]; onChange: (rings: Ring[]) => void }) {
  const { t } = useTranslation();
  const [spoken, setSpoken] = useState('');
  const move = (index: number, by: -1 | 1) => {
    onChange(moveRing(rings, index, by));
    setSpoken(t('fleet:rings.moved', { name: rings[index]?.name, place: index + by + 1 }));
  };
  return (
    <>
      <Text maw="80ch" className="b-quiet" mb="sm">
        {t('fleet:rings.note')}
      </Text>
      <span role="status" className="b-visually-hidden">
        {spoken}
      </span>
      <ol className={classes['ringList']}>
        {rings.map((ring, index) => (
          <RingFields
            key={index}
            ring={ring}
            place={index + 1}
            isLast={index === rings.length - 1}
            onChange={(next) => onChange(rings.map((other, at) => (at === index ? next : other)))}
            onMove={(by) => move(index, by)}
            onRemove={rings.length > 1 ? () => onChange(rings.filter((_, at) => at !== index)) : undefined}
          />
        ))}
      </ol>
      <Button variant="default" disabled={rings.length >= RINGS_MAX} onClick={() => onChange([NEW_RING, ...rings])}>
        {t('fleet:rings.add')}
      </Button>
    </>
  );
}

interface RingFieldsProps {
  ring: Ring;
  place: number;
  isLast: boolean;
  onChange: (ring: Ring) => void;
  onMove: (by: -1 | 1) => void;
  /** Undefined for the only ring. */
  onRemove: (() => void) | undefined;
}

function RingFields({ ring, place, isLast, onChange, onMove, onRemove }: RingFieldsProps) {
  const { t } = useTranslation();
  const label = t('fleet:rings.place', { place });
  return (
    <li className={classes['ringFields']} aria-label={label}>
      <div className={classes['ringHead']}>
        <strong>{label}</strong>
        <Group gap={4} ml="auto">
          <ActionIcon aria-label={t('fleet:rings.up', { place })} disabled={place === 1} onClick={() => onMove(-1)}>
            ↑
          </ActionIcon>
          <ActionIcon aria-label={t('fleet:rings.down', { place })} disabled={isLast} onClick={() => onMove(1)}>
            ↓
          </ActionIcon>
          <Button
            variant="default"
            disabled={onRemove === undefined}
            onClick={onRemove}
            aria-label={t('fleet:rings.removeLabel', { place })}
          >
            {t('fleet:rings.remove')}
          </Button>
        </Group>
      </div>
      <div className={classes['ringRow']}>
        <TextInput
          label={t('fleet:rings.name')}
          value={ring.name}
          onChange={(event) => onChange({ ...ring, name: event.currentTarget.value })}
          maxLength={NAME_MAX_CHARACTERS}
          error={ring.name.trim() === '' ? t('fleet:rings.nameMissing') : undefined}
        />
        <GroupsField value={ring.groupIds} onChange={(groupIds) => onChange({ ...ring, groupIds })} />
      </div>
      <div className={classes['ringRow']}>
        {isLast ? (
          <Text className={classes['rest']}>{t('fleet:rings.rest')}</Text>
        ) : (
          <LimitedNumberInput
            label={t('fleet:rings.percent')}
            unit="%"
            limits={PERCENT_LIMITS}
            value={ring.percent}
            onChange={(percent) => onChange({ ...ring, percent })}
            wrapperClass={classes['number']}
          />
        )}
        {place > 1 && (
          <LimitedNumberInput
            label={t('fleet:rings.wait')}
            unit={t('fleet:rings.minutes')}
            limits={WAIT_MINUTES_LIMITS}
            value={ring.waitMinutes}
            onChange={(waitMinutes) => onChange({ ...ring, waitMinutes })}
            wrapperClass={classes['number']}
          />
        )}
      </div>
    </li>
  );
}

/** The Jump Groups whose clients are in the ring; a group that was deleted stays visible until it is taken out. */
function GroupsField({ value, onChange }: { value: string[]; onChange: (groupIds: string[]) => void }) {
  const { t } = useTranslation();
  const groups = useJumpGroups().data?.groups ?? [];
  const known = groups.map((group) => ({ value: group.id, label: group.name }));
  const gone = value.filter((id) => !groups.some((group) => group.id === id));
  return (
    <MultiSelect
      label={t('fleet:rings.groups')}
      placeholder={value.length === 0 ? t('fleet:rings.noGroup') : ''}
      data={[...known, ...gone.map((id) => ({ value: id, label: t('fleet:rings.goneGroup') }))]}
      value={value}
      onChange={onChange}
      maxValues={GROUPS_MAX}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': t('fleet:rings.clearGroups') }}
    />
  );
}
