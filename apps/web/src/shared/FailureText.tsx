import { useTranslation } from 'react-i18next';
import { Anchor } from '@mantine/core';
import { FAILOVER_READ_ONLY } from '@bascule/protocol/api/failover.ts';
import { ApiError } from './api-client.ts';
import { onPrimary } from './appliance-header.ts';
import { errorText } from './error-text.ts';

/** What went wrong; a change that a backup refused leads to the same page of the primary. */
export function FailureText({ error, text = errorText(error) }: { error: unknown; text?: string }) {
  const { t } = useTranslation();
  const primaryUrl =
    error instanceof ApiError && error.code === FAILOVER_READ_ONLY ? String(error.params['primaryUrl'] ?? '') : null;
  const href = onPrimary(primaryUrl, window.location.pathname);
  return (
    <>
      {text}
      {href !== undefined && (
        <>
          {' '}
          <Anchor href={href} inherit>
            {t('shared:pair.openPrimary')}
          </Anchor>
        </>
      )}
    </>
  );
}
