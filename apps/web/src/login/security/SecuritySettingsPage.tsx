import { useState, type SubmitEvent } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Checkbox, Fieldset, Group, Skeleton, Stack } from '@mantine/core';
import { securitySettings, type SecuritySettings } from '@bascule/protocol/api/site.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { withinLimits, type NumberLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import classes from './SecuritySettingsPage.module.css';

type NumberField = Exclude<keyof SecuritySettings, 'recordInput'>;
/** The limits of the schema `securitySettings`. */
const LIMITS: Record<NumberField, NumberLimits> = {
  notResumedMinutes: { min: 1, max: 7 * 24 * 60 },
  clientAwayMinutes: { min: 1, max: 7 * 24 * 60 },
  loginIdleMinutes: { min: 5, max: 24 * 60 },
  loginMaxHours: { min: 1, max: 7 * 24 },
  recordingMaxMebibytes: { min: 1, max: 1024 * 1024 },
};

/** Users & security > Security: when sessions end, how long a login lasts, what is recorded. */
export function SecuritySettingsPage() {
  const { t } = useTranslation();
  const api = useApi();
  const settings = useQuery({
    queryKey: ['security-settings'],
    queryFn: ({ signal }) => api.get(apiPaths.securitySettings, securitySettings, {}, signal),
  });
  return (
    <Section title={t('login:security.title')} note={t('login:security.note')}>
      {settings.isError && settings.data === undefined && <QueryFailure query={settings} />}
      {settings.isPending && <Skeleton height={520} maw={640} />}
      {settings.data !== undefined && <SecurityForm saved={settings.data} />}
    </Section>
  );
}

function SecurityForm({ saved }: { saved: SecuritySettings }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [draft, setDraft] = useState(saved);
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.securitySettings, anyAnswer, draft);
      await client.invalidateQueries({ queryKey: ['security-settings'] });
    },
    onSuccess: () => notifyDone(t('login:security.saved')),
  });
  const changed = JSON.stringify(draft) !== JSON.stringify(saved);
  const valid = (Object.keys(LIMITS) as NumberField[]).every((field) => withinLimits(draft[field], LIMITS[field]));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (valid) save.mutate();
  };
  const number = (field: NumberField) => (
    <LimitInput key={field} field={field} value={draft[field]} onChange={(value) => setDraft({ ...draft, [field]: value })} />
  );
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="md">
        <Fieldset legend={t('login:security.sessions')}>
          {number('notResumedMinutes')}
          {number('clientAwayMinutes')}
        </Fieldset>
        <Fieldset legend={t('login:security.logins')}>
          {number('loginIdleMinutes')}
          {number('loginMaxHours')}
        </Fieldset>
        <Fieldset legend={t('login:security.recordings')}>
          {number('recordingMaxMebibytes')}
          <Checkbox
            label={t('login:security.recordInput')}
            description={t('login:security.recordInputNote')}
            checked={draft.recordInput}
            onChange={(event) => setDraft({ ...draft, recordInput: event.currentTarget.checked })}
          />
          {draft.recordInput && (
            <Alert color="red" role="alert" mt="sm" py="xs">
              {t('login:security.recordInputWarning')}
            </Alert>
          )}
        </Fieldset>
        <FormFailure error={save.error} />
        <Group className={classes['actions']}>
          <Button type="submit" loading={save.isPending} disabled={!changed || !valid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!changed} onClick={() => setDraft(saved)}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function LimitInput({ field, value, onChange }: { field: NumberField; value: number; onChange: (value: number) => void }) {
  const { t } = useTranslation();
  return (
    <LimitedNumberInput
      label={t(`login:security.${field}`)}
      note={t(`login:security.${field}Note`)}
      unit={t(`login:security.${field}Unit`, { count: Number.isNaN(value) ? 0 : value })}
      limits={LIMITS[field]}
      value={value}
      onChange={onChange}
      wrapperClass={classes['number']}
    />
  );
}
