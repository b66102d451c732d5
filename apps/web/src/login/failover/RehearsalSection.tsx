import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import i18next from 'i18next';
import { Alert, Button, MultiSelect, Stack } from '@mantine/core';
import type { FailoverState, RehearsalState } from '@bascule/protocol/api/failover.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useThenRefresh, useRehearsalChoices } from './failover-queries.ts';
import classes from './failover.module.css';

const CHOSEN_MAX = 20;
const STEP_MARKS = { running: '●', passed: '✓', failed: '✕' } as const;
const TONES = { none: 'off', preparing: 'warn', open: 'warn', closed: 'ok', failed: 'bad' } as const;

/** 'Test the standby' (B133): on a scratch copy, for chosen people and clients, without moving traffic. */
export function RehearsalSection({ state }: { state: FailoverState }) {
  const { t } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  const { rehearsal } = state;
  const canBegin = rehearsal.canBegin === true;
  const isRunning = rehearsal.state === 'preparing' || rehearsal.state === 'open';
  if (!canBegin && rehearsal.state === 'none') return null;
  const actions = !canBegin ? undefined : isRunning ? (
    <CloseButton />
  ) : (
    <Button variant="default" disabled={state.busy !== null} onClick={() => setAsking(true)}>
      {t('failover:rehearsal.begin')}
    </Button>
  );
  return (
    <Section title={t('failover:rehearsal.title')} note={t('failover:rehearsal.note')} actions={actions}>
      {rehearsal.state !== 'none' && <RehearsalPanel rehearsal={rehearsal} sharedName={state.sharedName} />}
      {isAsking && <BeginDialog onClose={() => setAsking(false)} />}
    </Section>
  );
}

function CloseButton() {
  const { t } = useTranslation();
  const api = useApi();
  const thenRefresh = useThenRefresh();
  const close = useMutation({
    mutationFn: () => thenRefresh(api.delete(apiPaths.rehearsal, anyAnswer)),
    onError: notifyFailure,
  });
  return (
    <Button variant="default" loading={close.isPending} onClick={() => close.mutate()}>
      {t('failover:rehearsal.close')}
    </Button>
  );
}

function RehearsalPanel({ rehearsal, sharedName }: { rehearsal: RehearsalState; sharedName: string }) {
  const { t } = useTranslation();
  const { state, users, clients, steps, startedAtMs, endsAtMs } = rehearsal;
  return (
    <div className={classes['panel']}>
      <p className={classes['panelTitle']} role="status" aria-live="polite">
        <StateMark tone={TONES[state]}>{t(`failover:rehearsal.state.${state}`)}</StateMark>
      </p>
      <p className={classes['line']}>
        {startedAtMs !== null && t('failover:rehearsal.started', { at: formatInstant(startedAtMs) })}{' '}
        {endsAtMs !== null && state === 'open' && t('failover:rehearsal.ends', { at: formatInstant(endsAtMs) })}{' '}
        {users.length + clients.length > 0 &&
          t('failover:rehearsal.who', { users: users.join(', '), clients: clients.join(', ') })}
      </p>
      {state === 'open' && (
        <Alert role="status" py="xs" my="sm">
          {t('failover:rehearsal.how', { shared: sharedName })}
        </Alert>
      )}
      <ol className={classes['steps']} aria-label={t('failover:rehearsal.steps')}>
        {steps.map((step, index) => (
          <li key={`${index} ${step.code}`} data-state={step.outcome}>
            <span aria-hidden="true">{STEP_MARKS[step.outcome]}</span>{' '}
            <span className="b-visually-hidden">{t(`failover:rehearsal.outcome.${step.outcome}`)}</span> {stepText(step)}
            {step.outcome === 'failed' && <p className={classes['line']}>{step.text}</p>}
          </li>
        ))}
      </ol>
    </div>
  );
}

function stepText({ code, text }: RehearsalState['steps'][number]): string {
  const key = `failover:rehearsal.step.${code}`;
  return i18next.exists(key) ? i18next.t(key) : text;
}

function BeginDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const thenRefresh = useThenRefresh();
  const choices = useRehearsalChoices();
  const [users, setUsers] = useState<string[]>([]);
  const [clients, setClients] = useState<string[]>([]);
  const named = (rows: { id: string; name: string }[] | undefined) =>
    rows?.map(({ id, name }) => ({ value: id, label: name })) ?? [];
  return (
    <FormDialog
      title={t('failover:rehearsal.title')}
      confirm={t('failover:rehearsal.begin')}
      onSubmit={() => thenRefresh(api.post(apiPaths.rehearsal, anyAnswer, { users, clients }))}
      onClose={onClose}
    >
      {(faultOf) => (
        <Stack gap="sm">
          <p className={classes['line']}>{t('failover:rehearsal.will')}</p>
          {choices.isError && <QueryFailure query={choices} />}
          <MultiSelect
            label={t('failover:rehearsal.users')}
            data={named(choices.data?.users)}
            value={users}
            onChange={setUsers}
            maxValues={CHOSEN_MAX}
            error={faultOf('body.users', t('failover:rehearsal.chooseUsers'))}
            searchable
            data-autofocus
          />
          <MultiSelect
            label={t('failover:rehearsal.clients')}
            description={t('failover:rehearsal.clientsNote')}
            data={named(choices.data?.clients.filter(({ online }) => online))}
            value={clients}
            onChange={setClients}
            maxValues={CHOSEN_MAX}
            error={faultOf('body.clients', t('failover:rehearsal.chooseClients'))}
            searchable
          />
        </Stack>
      )}
    </FormDialog>
  );
}
