import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Alert, Box, Button, Checkbox, Group, Stack, Text } from '@mantine/core';
import { foundTrust, type UpdatesState } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Facts, Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant, formatMinute } from '../../shared/format.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { grouped } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import classes from './updates.module.css';

type FoundTrust = z.infer<typeof foundTrust>;

/** Shown until somebody has compared the fingerprint of the server's root keys: nothing is taken from the server before. */
export function TrustToConfirm({ serverUrl }: { serverUrl: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const fetchTrust = useMutation({ mutationFn: () => api.post(apiPaths.updatesTrustFetch, foundTrust) });
  return (
    <Section title={t('updates:trust.title')}>
      <div className={classes['panel']}>
        <Text maw="80ch">
          {serverUrl === '' ? t('updates:trust.ofFile') : t('updates:trust.ofServer', { server: serverUrl })}{' '}
          {t('updates:trust.explanation')}
        </Text>
        <Box mt="sm">
          <FormFailure error={fetchTrust.error} />
        </Box>
        {fetchTrust.data === undefined ? (
          <Button mt="sm" loading={fetchTrust.isPending} onClick={() => fetchTrust.mutate()}>
            {t('updates:trust.fetch')}
          </Button>
        ) : (
          <CompareAndConfirm found={fetchTrust.data} />
        )}
      </div>
    </Section>
  );
}

function CompareAndConfirm({ found }: { found: FoundTrust }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [isCompared, setCompared] = useState(false);
  const confirm = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.updatesTrust, anyAnswer, { rootSha256: found.rootSha256 });
      await refresh();
    },
    onSuccess: () => notifyDone(t('updates:trust.done')),
  });
  return (
    <Stack gap="sm" mt="sm">
      <div role="group" aria-label={t('updates:trust.fingerprint')}>
        <Text className="b-quiet">{t('updates:trust.fingerprint')}</Text>
        <code className={classes['fingerprint']}>{grouped(found.rootSha256)}</code>
      </div>
      <Text className="b-quiet">
        {t('updates:trust.about', {
          version: found.rootVersion,
          threshold: found.threshold,
          count: found.keys.length,
          at: formatMinute(found.validUntilMs),
        })}
      </Text>
      <Alert role="note" py="xs">
        {t('updates:trust.howToCompare')}
      </Alert>
      <Checkbox
        label={t('updates:trust.compared')}
        checked={isCompared}
        onChange={(event) => setCompared(event.currentTarget.checked)}
      />
      <FormFailure error={confirm.error} />
      <Group>
        <Button disabled={!isCompared} loading={confirm.isPending} onClick={() => confirm.mutate()}>
          {t('updates:trust.confirm')}
        </Button>
      </Group>
    </Stack>
  );
}

/** The confirmed root of trust. */
export function ConfirmedTrust({ trust }: { trust: NonNullable<UpdatesState['trust']> }) {
  const { t } = useTranslation();
  return (
    <Section title={t('updates:trust.title')} note={t('updates:trust.note')}>
      <Facts
        rows={[
          [
            t('updates:trust.fingerprint'),
            <span key="fingerprint" className="b-mono">
              {grouped(trust.rootSha256)}
            </span>,
          ],
          [t('updates:trust.version'), trust.rootVersion],
          [t('updates:trust.confirmedBy'), `${trust.confirmedBy}, ${formatInstant(trust.confirmedAtMs)}`],
          [t('updates:trust.validUntil'), formatMinute(trust.validUntilMs)],
        ]}
      />
    </Section>
  );
}
