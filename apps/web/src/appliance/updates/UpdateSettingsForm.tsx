import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Checkbox, Fieldset, Group, Stack, TextInput } from '@mantine/core';
import { updateSettings, type UpdateSettings } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import type { NumberLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import { MaintenanceWindow } from './MaintenanceWindow.tsx';
import { useRefreshUpdates } from './updates-queries.ts';
import classes from './updates.module.css';

type NumberField = 'checkEveryHours' | 'watchSeconds' | 'keepSnapshots' | 'keepVersions';
const KIBIBYTE = 1024;
/** The limits of the schema `updateSettings`. */
const LIMITS: Record<NumberField | 'downloadLimit', NumberLimits> = {
  checkEveryHours: { min: 0, max: 168 },
  watchSeconds: { min: 5, max: 86_400 },
  keepSnapshots: { min: 1, max: 20 },
  keepVersions: { min: 1, max: 10 },
  downloadLimit: { min: 0, max: Math.floor(10_000_000_000 / KIBIBYTE) },
};
const URL_MAX_CHARACTERS = 300;

/** The settings of updates; nothing is sent that the schema would refuse. */
export function UpdateSettingsForm({ saved, hasTrust }: { saved: UpdateSettings; hasTrust: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [changes, setChanges] = useState<Partial<UpdateSettings>>({});
  const draft = { ...saved, ...changes };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.updatesSettings, anyAnswer, draft);
      await refresh();
    },
    onSuccess: () => {
      setChanges({});
      notifyDone(t('updates:settings.saved'));
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const isUrlValid = updateSettings.shape.serverUrl.safeParse(draft.serverUrl).success;
  const isValid = updateSettings.safeParse(draft).success;
  const change = (part: Partial<UpdateSettings>) => setChanges({ ...changes, ...part });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) save.mutate();
  };
  const number = (field: NumberField) => (
    <LimitedNumberInput
      label={t(`updates:settings.${field}`)}
      note={t(`updates:settings.${field}Note`)}
      limits={LIMITS[field]}
      value={draft[field]}
      onChange={(value) => change({ [field]: value })}
      wrapperClass={classes['number']}
    />
  );
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="md">
        <Fieldset legend={t('updates:settings.server')}>
          <TextInput
            label={t('updates:settings.serverUrl')}
            description={t('updates:settings.serverUrlNote')}
            placeholder="https://updates.example.org"
            error={isUrlValid ? undefined : t('updates:settings.serverUrlWrong')}
            value={draft.serverUrl}
            onChange={(event) => change({ serverUrl: event.currentTarget.value.trim() })}
            maxLength={URL_MAX_CHARACTERS}
            type="url"
            autoComplete="off"
            mb="sm"
          />
          {hasTrust && draft.serverUrl !== saved.serverUrl && draft.serverUrl !== '' && (
            <Alert role="note" py="xs" mb="sm">
              {t('updates:settings.serverChanged')}
            </Alert>
          )}
          {number('checkEveryHours')}
          <LimitedNumberInput
            label={t('updates:settings.downloadLimit')}
            note={t('updates:settings.downloadLimitNote')}
            unit="KiB/s"
            limits={LIMITS.downloadLimit}
            value={Math.round(draft.downloadLimitBytesPerSecond / KIBIBYTE)}
            onChange={(value) => change({ downloadLimitBytesPerSecond: value * KIBIBYTE })}
            wrapperClass={classes['number']}
          />
        </Fieldset>
        <Fieldset legend={t('updates:settings.unattended')}>
          <MaintenanceWindow value={draft.unattended} onChange={(unattended) => change({ unattended })} />
          <Checkbox
            mt="sm"
            label={t('updates:settings.emergencyLane')}
            description={t('updates:settings.emergencyLaneNote')}
            checked={draft.emergencyLane}
            onChange={(event) => change({ emergencyLane: event.currentTarget.checked })}
          />
        </Fieldset>
        <Fieldset legend={t('updates:settings.safety')}>
          {number('watchSeconds')}
          {number('keepVersions')}
          {number('keepSnapshots')}
        </Fieldset>
        <FormFailure error={save.error} />
        <Group className={classes['formActions']}>
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
