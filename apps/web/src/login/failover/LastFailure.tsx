import { useTranslation } from 'react-i18next';
import i18next from 'i18next';
import { Alert } from '@mantine/core';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { formatInstant } from '../../shared/format.ts';

/** How the last change of roles failed: it was answered when it began, so nobody else says it. */
export function LastFailure({ failed }: { failed: NonNullable<FailoverState['failed']> | null }) {
  const { t } = useTranslation();
  if (failed === null) return null;
  const key = `errors:${failed.code}`;
  const what = `failover:busy.${failed.what}`;
  const text = i18next.exists(key) ? i18next.t(key) : failed.text;
  return (
    <Alert
      color="red"
      role="alert"
      py="xs"
      mb="sm"
      title={t('failover:failedAt', {
        what: i18next.exists(what) ? i18next.t(what) : t('failover:busy.other'),
        at: formatInstant(failed.atMs),
      })}
    >
      {text.includes('{{') ? failed.text : text}
    </Alert>
  );
}
