import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Fieldset, Group, Stack } from '@mantine/core';
import type { FailoverState, PairSettings } from '@bascule/protocol/api/failover.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { withinLimits, type NumberLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import { ModeChoice } from './EstablishSection.tsx';
import { namesOf } from './failover-model.ts';
import { useRefreshFailover } from './failover-queries.ts';
import classes from './failover.module.css';

const KIBIBYTE = 1024;
const FIRST_LIMIT_BYTES_PER_SECOND = 10 * KIBIBYTE * KIBIBYTE;
/** The limits of the schema `pairSettings`. */
const BANDWIDTH_LIMITS: NumberLimits = { min: 1, max: Math.floor(10_000_000_000 / KIBIBYTE) };
const LAG_LIMITS: NumberLimits = { min: 5, max: 86_400 };

/** Mode, bandwidth, alarms, backup operations (B35), automatic failover. */
export function FailoverSettingsSection({ state }: { state: FailoverState }) {
  const { t } = useTranslation();
  return (
    <Section title={t('failover:settings.title')}>
      <SettingsForm
        saved={state.settings}
        hasWitness={state.witness !== null}
        lost={isAlone(state) ? namesOf(state).peer : undefined}
        primary={state.self.role === 'backup' ? namesOf(state).peer : undefined}
      />
    </Section>
  );
}

/** Neither witness nor peer answers: automatic failover does not end by itself. */
function isAlone({ witness, peerState, self }: FailoverState): boolean {
  return witness !== null && witness.state !== 'connected' && peerState === 'unreachable' && self.role === 'primary';
}

/** A backup has its `primary`’s settings, but for what it answers itself. `lost`: the peer, when it cannot be asked, nor the witness. */
function SettingsForm({
  saved,
  hasWitness,
  primary,
  lost,
}: {
  saved: PairSettings;
  hasWitness: boolean;
  primary: string | undefined;
  lost: string | undefined;
}) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFailover();
  // Only what was touched here is kept: the rest follows what is saved, also when somebody else changes it.
  const [touched, setTouched] = useState<Partial<PairSettings>>({});
  const [isRegardless, setRegardless] = useState(false);
  const draft = { ...saved, ...touched };
  const change = (part: Partial<PairSettings>) => setTouched({ ...touched, ...part });
  const mayLeave = lost !== undefined && !draft.automatic;
  const isAtOnce = mayLeave && isRegardless;
  const save = useMutation({
    mutationFn: async () => {
      const { automatic } = draft;
      await api.put(apiPaths.failoverSettings, anyAnswer, isAtOnce ? { ...touched, automatic, regardless: true } : touched);
      await refresh();
      setTouched({});
      setRegardless(false);
    },
    onSuccess: () => notifyDone(t('failover:settings.saved')),
  });
  const isChanged = isAtOnce || JSON.stringify(draft) !== JSON.stringify(saved);
  const isLimited = draft.bytesPerSecond !== 0;
  const isValid =
    withinLimits(draft.alarmLagSeconds, LAG_LIMITS) &&
    (!isLimited || withinLimits(Math.round(draft.bytesPerSecond / KIBIBYTE), BANDWIDTH_LIMITS));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) save.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="md">
        {primary !== undefined && <p className={classes['line']}>{t('failover:settings.onPrimary', { peer: primary })}</p>}
        <Fieldset legend={t('failover:settings.copying')} disabled={primary !== undefined}>
          <ModeChoice value={draft.mode} onChange={(mode) => change({ mode })} />
          <Checkbox
            mt="sm"
            mb="sm"
            label={t('failover:settings.limited')}
            description={t('failover:settings.limitedNote')}
            checked={isLimited}
            onChange={(event) => change({ bytesPerSecond: event.currentTarget.checked ? FIRST_LIMIT_BYTES_PER_SECOND : 0 })}
          />
          {isLimited && (
            <LimitedNumberInput
              label={t('failover:settings.bandwidth')}
              unit="KiB/s"
              limits={BANDWIDTH_LIMITS}
              value={Math.round(draft.bytesPerSecond / KIBIBYTE)}
              onChange={(kibibytes) => change({ bytesPerSecond: kibibytes * KIBIBYTE })}
              wrapperClass={classes['number']}
            />
          )}
          <LimitedNumberInput
            label={t('failover:settings.alarmLag')}
            note={t('failover:settings.alarmLagNote')}
            unit="s"
            limits={LAG_LIMITS}
            value={draft.alarmLagSeconds}
            onChange={(alarmLagSeconds) => change({ alarmLagSeconds })}
            wrapperClass={classes['number']}
          />
        </Fieldset>
        <Fieldset legend={t('failover:settings.roles')}>
          <Checkbox
            label={t('failover:settings.backupOperations')}
            description={t('failover:settings.backupOperationsNote')}
            checked={draft.backupOperations}
            onChange={(event) => change({ backupOperations: event.currentTarget.checked })}
            mb="sm"
          />
          <Checkbox
            label={t('failover:settings.automatic')}
            description={t(hasWitness ? 'failover:settings.automaticNote' : 'failover:settings.automaticNeedsWitness')}
            checked={draft.automatic}
            disabled={primary !== undefined || (!hasWitness && !draft.automatic)}
            onChange={(event) => change({ automatic: event.currentTarget.checked })}
          />
          {mayLeave && (
            <Checkbox
              mt="sm"
              label={t('failover:settings.regardless', { peer: lost })}
              description={t('failover:settings.regardlessNote', { peer: lost })}
              checked={isRegardless}
              onChange={(event) => setRegardless(event.currentTarget.checked)}
            />
          )}
        </Fieldset>
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={() => setTouched({})}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
