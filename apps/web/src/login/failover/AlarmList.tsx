import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';
import type { PairAlarm } from '@bascule/protocol/api/failover.ts';
import { formatInstant } from '../../shared/format.ts';
import { isSaidBy, type PageKind } from './failover-model.ts';

/** What is wrong just now, since when, and what to do about it. */
export function AlarmList({ alarms, kind }: { alarms: readonly PairAlarm[]; kind: PageKind }) {
  const { t } = useTranslation();
  return alarms
    .filter(({ code }) => !isSaidBy(kind, code))
    .map((alarm) => (
      <Alert key={alarm.code} color="red" role="alert" py="xs" mb="sm" title={t(`failover:alarm.${alarm.code}`, alarm.params)}>
        {t(`failover:alarmDo.${alarm.code}`, alarm.params)}{' '}
        <span className="b-quiet">{t('failover:since', { at: formatInstant(alarm.sinceMs) })}</span>
      </Alert>
    ));
}
