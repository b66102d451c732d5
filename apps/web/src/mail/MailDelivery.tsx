import { useTranslation } from 'react-i18next';
import { Alert, Text } from '@mantine/core';
import type { MailState } from '@bascule/protocol/api/updates.ts';
import { formatInstant } from '../shared/format.ts';

/** What became of the last mails: the last that failed stays here until one is delivered. */
export function MailDelivery({ state: { lastSent, lastFailure, waiting } }: { state: MailState }) {
  const { t } = useTranslation();
  return (
    <>
      {lastFailure !== null && (
        <Alert color="red" role="alert" title={t('mail:failure.title')} mb="md" maw={720}>
          <Text>
            {t('mail:failure.what', {
              subject: lastFailure.subject,
              at: formatInstant(lastFailure.atMs),
              count: lastFailure.attempts,
            })}
          </Text>
          <Text className="b-mono" my={4} style={{ overflowWrap: 'anywhere' }}>
            {lastFailure.message}
          </Text>
          <Text>{t('mail:failure.next')}</Text>
        </Alert>
      )}
      <Text className="b-quiet" mb="sm" role="status">
        {lastSent === null
          ? t('mail:lastSent.never')
          : t('mail:lastSent.at', { subject: lastSent.subject, at: formatInstant(lastSent.atMs) })}
        {waiting > 0 && ` ${t('mail:waiting', { count: waiting })}`}
      </Text>
    </>
  );
}
