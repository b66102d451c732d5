import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Text } from '@mantine/core';
import { anyAnswer, ApiError } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { errorText } from '../shared/error-text.ts';
import { apiPaths } from '../shared/paths.ts';
import { mailPath, type MailOwner } from './mail-owner.ts';
import classes from './mail.module.css';

/** Sends a test mail with the saved settings; a refusal is shown in the mail server's own words. */
export function MailTest({ owner, canTest }: { owner: MailOwner; canTest: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () => api.post(apiPaths.testMail(mailPath(owner)), anyAnswer),
    onSettled: () => client.invalidateQueries({ queryKey: ['mail', owner] }),
  });
  return (
    <>
      <Button variant="default" loading={test.isPending} disabled={!canTest} onClick={() => test.mutate()}>
        {t('mail:test.send')}
      </Button>
      {!canTest && <span className="b-quiet">{t('mail:test.saveFirst')}</span>}
      <div className={classes['testAnswer']}>
        {test.isSuccess && (
          <Alert color="green" role="status" py="xs">
            {t('mail:test.done')}
          </Alert>
        )}
        {test.isError && <TestFailure error={test.error} />}
      </div>
    </>
  );
}

function TestFailure({ error }: { error: unknown }) {
  const { t } = useTranslation();
  const isServers = error instanceof ApiError && error.code === 'MAIL_FAILED';
  return (
    <Alert color="red" role="alert" py="xs">
      {isServers ? (
        <>
          <Text>{t('mail:test.failed')}</Text>
          <Text className="b-mono" style={{ overflowWrap: 'anywhere' }}>
            {error.params['reason'] ?? error.message}
          </Text>
        </>
      ) : (
        errorText(error)
      )}
    </Alert>
  );
}
