import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { destinationTested, HERE } from '@bascule/protocol/api/backup.ts';
import { StateMark } from '../../shared/Section.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { errorText } from '../../shared/error-text.ts';
import { formatCount } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import classes from './software.module.css';

/** 'Try the destination': a file is written there, read back and removed; nothing for this appliance's own disk. `name`: which one, in a list. */
export function TestDestination({ id, name }: { id: string; name?: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const test = useMutation({
    mutationFn: () => api.post(apiPaths.testBackupDestination(id), destinationTested, {}, LONG_TIMEOUT_MS),
  });
  if (id === HERE) return null;
  return (
    <div className={classes['test']}>
      <Button
        variant="default"
        loading={test.isPending}
        onClick={() => test.mutate()}
        aria-label={name === undefined ? undefined : t('backup:destination.testName', { name })}
      >
        {t('backup:destination.test')}
      </Button>
      <span role="status">
        {test.isSuccess && (
          <StateMark tone="ok">{t('backup:destination.works', { milliseconds: formatCount(test.data.ms) })}</StateMark>
        )}
        {test.isError && <StateMark tone="bad">{errorText(test.error)}</StateMark>}
      </span>
    </div>
  );
}
