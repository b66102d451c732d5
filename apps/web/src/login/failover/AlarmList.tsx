import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';
import type { PairAlarm } from '@bascule/protocol/api/failover.ts';
import { formatInstant } from '../../shared/format.ts';

/** What is wrong just now, since when, and what to do about it. */
export function AlarmList({ alarms }: { alarms: readonly PairAlarm[] }) {
  const { t } = useTranslation();
  return alarms.map((alarm) => (
    <Alert key={alarm.code} color="red" role="alert" py="xs" mb="sm" title={t(`failover:alarm.${alarm.code}`, alarm.params)}>
      {t(`failover:alarmDo.${alarm.code}`, alarm.params)}{' '}
      <span className="b-quiet">{t('failover:since', { at: formatInstant(alarm.sinceMs) })}</span>
    </Alert>
  ));
}
