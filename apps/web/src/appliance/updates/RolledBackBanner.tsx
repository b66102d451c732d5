import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import type { Installation } from '@bascule/protocol/api/updates.ts';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { LogDialog } from './LogDialog.tsx';
import { causeTexts, packageName, stepText } from './update-texts.ts';
import { useRefreshUpdates } from './updates-queries.ts';

/** Says until somebody acknowledges it that an installation was undone: at which step, why, that nothing is lost, and what to do. */
export function RolledBackBanner({ rolledBack }: { rolledBack: Installation }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [isLogShown, setLogShown] = useState(false);
  const name = packageName(t, rolledBack.kind, rolledBack.toVersion);
  const copyLog = () => {
    api
      .getText(apiPaths.updatesLog(rolledBack.id))
      .then((log) => navigator.clipboard.writeText(log))
      .then(() => notifyDone(t('updates:rolledBack.logCopied')))
      // A browser that refuses the clipboard still shows the log, to be selected there.
      .catch(() => setLogShown(true));
  };
  const acknowledge = () => {
    api
      .post(apiPaths.updatesAction('acknowledge'), anyAnswer, { id: rolledBack.id })
      .then(refresh)
      .catch((error: unknown) => notifyFailure(error));
  };
  return (
    <Alert color="red" role="alert" title={t('updates:rolledBack.title', { name })} mb="lg">
      <Stack gap="xs">
        <Text>
          {t('updates:rolledBack.step', {
            step: stepText(t, rolledBack.step, rolledBack.operation),
            at: formatInstant(rolledBack.endedAtMs ?? rolledBack.startedAtMs),
          })}
          {rolledBack.fromVersion !== null && ` ${t('updates:rolledBack.runs', { version: rolledBack.fromVersion })}`}
        </Text>
        {rolledBack.cause !== null && <CauseLines cause={rolledBack.cause} />}
        <Text fw={600}>{t('updates:rolledBack.dataSafe')}</Text>
        <Group gap="xs" mt="xs">
          <Button variant="default" onClick={copyLog}>
            {t('updates:rolledBack.copyLog')}
          </Button>
          <Button variant="default" onClick={() => setLogShown(true)}>
            {t('updates:rolledBack.showLog')}
          </Button>
          <Button onClick={acknowledge}>{t('updates:rolledBack.acknowledge')}</Button>
        </Group>
      </Stack>
      {isLogShown && <LogDialog id={rolledBack.id} title={name} onClose={() => setLogShown(false)} />}
    </Alert>
  );
}

function CauseLines({ cause }: { cause: NonNullable<Installation['cause']> }) {
  const { t } = useTranslation();
  const { message, advice } = causeTexts(cause);
  return (
    <>
      <Text>{t('updates:rolledBack.cause', { cause: message })}</Text>
      {advice !== '' && <Text>{advice}</Text>}
      <Text>{cause.mayRetry ? t('updates:rolledBack.mayRetry') : t('updates:rolledBack.doNotRetry')}</Text>
    </>
  );
}
