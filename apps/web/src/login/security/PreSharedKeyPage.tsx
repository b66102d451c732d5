import { useState, type SubmitEvent } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, PasswordInput, Skeleton, Stack, Text } from '@mantine/core';
import {
  generatedPreSharedKey,
  PRE_SHARED_KEY_MIN,
  preSharedKeyState,
  type PreSharedKeyState,
} from '@bascule/protocol/api/failover.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import classes from './SecuritySettingsPage.module.css';

const KEY_MAX_CHARACTERS = 200;
/** Below the event topic `failover`. */
const KEY_QUERY = ['failover', 'pre-shared-key'];

/** Management > Security: the inter-appliance communication pre-shared key (B32), the same on both appliances. */
export function PreSharedKeyPage() {
  const { t } = useTranslation();
  const api = useApi();
  const state = useQuery({
    queryKey: KEY_QUERY,
    queryFn: ({ signal }) => api.get(apiPaths.preSharedKey, preSharedKeyState, {}, signal),
  });
  return (
    <Section title={t('failover:key.title')} note={t('failover:key.note')}>
      {state.isError && state.data === undefined && <QueryFailure query={state} />}
      {state.isPending && <Skeleton height={220} maw={640} aria-label={t('shared:loading')} />}
      {state.data !== undefined && (
        <Stack gap="md" className={classes['form']}>
          <KeyFacts state={state.data} />
          <KeyForm isSet={state.data.isSet} />
        </Stack>
      )}
    </Section>
  );
}

function KeyFacts({ state }: { state: PreSharedKeyState }) {
  const { t } = useTranslation();
  return (
    <Facts
      rows={[
        [
          t('failover:key.state'),
          <StateMark key="state" tone={state.isSet ? 'ok' : 'off'}>
            {t(state.isSet ? 'failover:key.isSet' : 'failover:key.notSet')}
          </StateMark>,
        ],
        [t('failover:key.checkValue'), state.checkValue === null ? '–' : <code key="value">{state.checkValue}</code>],
        [t('failover:key.changed'), state.changedAtMs === null ? t('shared:never') : formatInstant(state.changedAtMs)],
      ]}
    />
  );
}

function KeyForm({ isSet }: { isSet: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [key, setKey] = useState('');
  const [generated, setGenerated] = useState<string>();
  const generate = useMutation({
    mutationFn: () => api.post(apiPaths.generatePreSharedKey, generatedPreSharedKey),
    onSuccess: (made) => {
      setGenerated(made.key);
      setKey(made.key);
    },
  });
  const save = useMutation({
    mutationFn: () => api.put(apiPaths.preSharedKey, anyAnswer, { key }),
    onSuccess: async () => {
      setKey('');
      setGenerated(undefined);
      await client.invalidateQueries({ queryKey: ['failover'] });
      notifyDone(t('failover:key.saved'));
    },
  });
  const isTooShort = key.trim().length < PRE_SHARED_KEY_MIN;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!isTooShort) save.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <PasswordInput
          label={t(isSet ? 'failover:key.newKey' : 'failover:key.key')}
          description={t('failover:key.rule', { min: PRE_SHARED_KEY_MIN })}
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          error={key !== '' && isTooShort ? t('failover:key.tooShort', { min: PRE_SHARED_KEY_MIN }) : undefined}
          maxLength={KEY_MAX_CHARACTERS}
          autoComplete="off"
          visibilityToggleButtonProps={{ 'aria-label': t('failover:key.show') }}
        />
        {generated !== undefined && generated === key && (
          <>
            <CopyField label={t('failover:key.generated')} value={generated} />
            <Text c="dimmed">{t('failover:key.generatedNote')}</Text>
          </>
        )}
        <FormFailure error={save.error ?? generate.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={isTooShort}>
            {t('shared:save')}
          </Button>
          <Button variant="default" loading={generate.isPending} onClick={() => generate.mutate()}>
            {t('failover:key.generate')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
