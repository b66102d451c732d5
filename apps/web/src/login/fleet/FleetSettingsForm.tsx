import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Checkbox, Fieldset, Group, Radio, Stack } from '@mantine/core';
import { fleetSettings, type FleetSettings } from '@bascule/protocol/api/fleet.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { BandwidthField } from './BandwidthField.tsx';
import { RingsEditor } from './RingsEditor.tsx';
import { LIMITS, type NumberField } from './fleet-model.ts';
import { useRefreshFleet } from './fleet-queries.ts';
import classes from './fleet.module.css';

/** The fields of which one of few words is chosen, with their words. */
const CHOICES = {
  upgrades: ['on', 'cycle', 'off'],
  jumpToOlder: ['supported', 'current-only'],
  defaultMode: ['active', 'passive'],
  consoleTls: ['refuse', 'site-identity'],
} as const;
type ChoiceField = keyof typeof CHOICES;

/** All settings of the fleet; nothing is sent that the schema would refuse. */
export function FleetSettingsForm({ saved }: { saved: FleetSettings }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFleet();
  const [changes, setChanges] = useState<Partial<FleetSettings>>({});
  const draft = { ...saved, ...changes };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.fleetSettings, anyAnswer, draft);
      await refresh();
    },
    onSuccess: () => {
      setChanges({});
      notifyDone(t('fleet:settings.saved'));
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const isValid = fleetSettings.safeParse(draft).success;
  const change = (part: Partial<FleetSettings>) => setChanges({ ...changes, ...part });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) save.mutate();
  };
  const number = (field: NumberField) => (
    <NumberSetting key={field} field={field} value={draft[field]} onChange={(value) => change({ [field]: value })} />
  );
  const choice = (field: ChoiceField) => (
    <ChoiceSetting key={field} field={field} value={draft[field]} onChange={(value) => change({ [field]: value })} />
  );
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="md">
        <Fieldset legend={t('fleet:settings.when')}>
          {choice('upgrades')}
          {choice('jumpToOlder')}
        </Fieldset>
        <Fieldset legend={t('fleet:settings.load')}>
          {number('maxConcurrent')}
          <BandwidthField value={draft.maxBytesPerSecond} onChange={(maxBytesPerSecond) => change({ maxBytesPerSecond })} />
          {number('maxStartsPerSecond')}
        </Fieldset>
        <Fieldset legend={t('fleet:settings.rings')}>
          <RingsEditor rings={draft.rings} onChange={(rings) => change({ rings })} />
        </Fieldset>
        <Fieldset legend={t('fleet:settings.safety')}>
          {number('healthSeconds')}
          {number('haltPercent')}
          {number('haltMinimum')}
          {number('ringPatienceHours')}
        </Fieldset>
        <Fieldset legend={t('fleet:settings.connection')}>
          {choice('defaultMode')}
          {number('checkInHours')}
          {number('offlineAfterSeconds')}
        </Fieldset>
        <Fieldset legend={t('fleet:settings.trust')}>
          <Checkbox
            label={t('fleet:settings.toleratesDates')}
            description={t('fleet:settings.toleratesDatesNote')}
            checked={draft.toleratesDates}
            onChange={(event) => change({ toleratesDates: event.currentTarget.checked })}
            mb="md"
          />
          {choice('consoleTls')}
          {draft.consoleTls === 'site-identity' && (
            <Alert role="note" color="yellow" py="xs" mt="sm">
              {t('fleet:settings.consoleTlsWarning')}
            </Alert>
          )}
        </Fieldset>
        <FormFailure error={save.error} />
        <Group className={classes['formActions']}>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={() => setChanges({})}>
            {t('shared:undo')}
          </Button>
          {!isValid && (
            <span role="status" className={classes['invalid']}>
              {t('fleet:settings.invalid')}
            </span>
          )}
        </Group>
      </Stack>
    </form>
  );
}

function NumberSetting({ field, value, onChange }: { field: NumberField; value: number; onChange: (value: number) => void }) {
  const { t } = useTranslation();
  return (
    <LimitedNumberInput
      label={t(`fleet:settings.${field}`)}
      note={t(`fleet:settings.${field}Note`)}
      unit={t(`fleet:settings.${field}Unit`)}
      limits={LIMITS[field]}
      value={value}
      onChange={onChange}
      wrapperClass={classes['number']}
    />
  );
}

interface ChoiceSettingProps {
  field: ChoiceField;
  value: string;
  onChange: (value: string) => void;
}

/** One of few words, each with what it means. */
function ChoiceSetting({ field, value, onChange }: ChoiceSettingProps) {
  const { t } = useTranslation();
  return (
    <Radio.Group label={t(`fleet:settings.${field}`)} value={value} onChange={onChange} mb="md">
      <Stack gap="xs" mt="xs">
        {CHOICES[field].map((word) => (
          <Radio
            key={word}
            value={word}
            label={t(`fleet:settings.${field}Choice.${word}`)}
            description={t(`fleet:settings.${field}Means.${word}`)}
          />
        ))}
      </Stack>
    </Radio.Group>
  );
}
