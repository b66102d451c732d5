import { useState, type SubmitEvent } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Group, NumberInput, Stack } from '@mantine/core';
import { healthThresholds, type HealthThresholds } from '@bascule/protocol/api/health.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import classes from '../updates/updates.module.css';

const FIELDS = [
  { name: 'diskFreePercent', unit: '%', usual: 10 },
  { name: 'memoryFreePercent', unit: '%', usual: 5 },
  { name: 'delayMs', unit: 'ms', usual: 1000 },
] as const;

/** What raises an alarm; an empty field, or a box that is not ticked: nothing. */
export function ThresholdsForm({ saved }: { saved: HealthThresholds }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [changes, setChanges] = useState<Partial<HealthThresholds>>({});
  const draft = { ...saved, ...changes };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.healthThresholds, anyAnswer, draft);
      await client.invalidateQueries({ queryKey: ['health'] });
    },
    onSuccess: () => {
      setChanges({});
      notifyDone(t('health:thresholds.saved'));
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const isValid = healthThresholds.safeParse(draft).success;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) save.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="sm">
        {FIELDS.map(({ name, unit, usual }) => (
          <Group key={name} align="center" wrap="nowrap">
            <Checkbox
              label={t(`health:threshold.${name}`)}
              checked={draft[name] !== null}
              onChange={(event) => setChanges({ ...changes, [name]: event.currentTarget.checked ? usual : null })}
              style={{ flex: 1 }}
            />
            <NumberInput
              aria-label={t(`health:threshold.${name}`)}
              value={draft[name] ?? ''}
              onChange={(value) => setChanges({ ...changes, [name]: value === '' ? null : Number(value) })}
              disabled={draft[name] === null}
              suffix={` ${unit}`}
              allowDecimal={false}
              w={130}
            />
          </Group>
        ))}
        <Checkbox
          label={t('health:threshold.clock')}
          checked={draft.clock}
          onChange={(event) => setChanges({ ...changes, clock: event.currentTarget.checked })}
        />
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={() => setChanges({})}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
