import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Stack, Text } from '@mantine/core';
import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { formatMinute } from '../../shared/format.ts';
import { ClockLine } from '../ClockLine.tsx';
import { appliancePaths } from '../appliance-paths.ts';
import { MANUAL_ANCHOR } from './manual-anchor.ts';
import { causeTexts } from './update-texts.ts';
import classes from './updates.module.css';

/** When was asked last, and for a failure: its cause, the clock's state, the next step and the way by hand (B67, B68, B78). */
export function CheckResult({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  const { lastCheck, settings } = state;
  if (lastCheck === null) return <p className={classes['checked']}>{t('updates:check.never')}</p>;
  const parts = [
    t(`updates:check.last.${lastCheck.source}`, { at: formatMinute(lastCheck.atMs) }),
    settings.checkEveryHours > 0 && settings.serverUrl !== ''
      ? t('updates:check.every', { count: settings.checkEveryHours })
      : '',
    lastCheck.validUntilMs === null ? '' : t('updates:check.validUntil', { at: formatMinute(lastCheck.validUntilMs) }),
    lastCheck.maintainedUntilMs === null
      ? ''
      : t('updates:check.maintainedUntil', { at: formatMinute(lastCheck.maintainedUntilMs) }),
  ];
  return (
    <>
      <p className={classes['checked']}>{parts.filter(Boolean).join(' ')}</p>
      {lastCheck.error !== null && <CheckFailure error={lastCheck.error} state={state} />}
    </>
  );
}

function CheckFailure({
  error,
  state,
}: {
  error: NonNullable<NonNullable<UpdatesState['lastCheck']>['error']>;
  state: UpdatesState;
}) {
  const { t } = useTranslation();
  const { message, advice } = causeTexts(error);
  return (
    <Alert color="red" role="alert" title={t('updates:check.failed')} mb="sm">
      <Stack gap={6}>
        <Text>{t('updates:check.cause', { cause: message })}</Text>
        <Text component="div">
          {t('updates:check.clock')} <ClockLine clock={state.clock} /> (
          <Link to={appliancePaths.networking}>{t('updates:check.toNtp')}</Link>)
        </Text>
        {advice !== '' && <Text>{t('updates:check.next', { advice })}</Text>}
        <Text>
          <a href={`#${MANUAL_ANCHOR}`}>{t('updates:check.byHand')}</a>
        </Text>
      </Stack>
    </Alert>
  );
}
