import { useState } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { z } from 'zod';
import { Alert, Button, Group, Skeleton, Stack, Text } from '@mantine/core';
import { preflightAnswer } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes } from '../../shared/format.ts';
import { useApplianceHeader } from '../../shared/appliance-header.ts';
import { apiPaths } from '../../shared/paths.ts';
import { appliancePaths } from '../appliance-paths.ts';
import type { Intent } from './InstallDialog.tsx';
import { PreflightList } from './PreflightList.tsx';
import { effectsOf, mayBegin } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import classes from './updates.module.css';

const SKELETON_HEIGHT_PX = 180;
const started = z.object({ id: z.string() });

/** Says what will happen before it happens; with an installation, what is looked at beforehand (preflight) decides whether it may begin. */
export function ConfirmInstallation({ intent: { operation, offer }, onClose }: { intent: Intent; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const isChecked = operation === 'install' || operation === 'preflight';
  const { target } = offer;
  const preflight = useQuery({
    queryKey: ['updates-preflight', target],
    queryFn: () => api.post(apiPaths.updatesAction('preflight'), preflightAnswer, { target }, LONG_TIMEOUT_MS),
    enabled: isChecked,
    staleTime: 0,
    refetchOnMount: 'always',
    retry: false,
  });
  const lines = preflight.data?.lines;
  const begin = useMutation({
    mutationFn: async () => {
      if (operation === 'preflight') return;
      await api.post(apiPaths.updatesAction(operation), started, { target, overrule: [...ticked] });
      await refresh();
    },
    onSuccess: onClose,
  });
  const tick = (code: string, isTicked: boolean) => {
    const next = new Set(ticked);
    if (isTicked) next.add(code);
    else next.delete(code);
    setTicked(next);
  };
  const isReady = !isChecked || (lines !== undefined && !preflight.isFetching && mayBegin(lines, ticked));
  return (
    <Stack gap="sm">
      {operation === 'install' && offer.manifest.kind !== 'licence' && <PairAdvice />}
      {operation !== 'preflight' && <WhatHappens intent={{ operation, offer }} />}
      {preflight.isError && <QueryFailure query={preflight} />}
      {isChecked && preflight.isFetching && <Checking />}
      {lines !== undefined && !preflight.isFetching && (
        <PreflightList lines={lines} ticked={ticked} {...(operation === 'install' && { onTick: tick })} />
      )}
      {operation === 'install' && lines?.some((line) => line.outcome === 'red') === true && (
        <Alert color="red" role="alert" py="xs">
          {t('updates:install.red')}
        </Alert>
      )}
      <FormFailure error={begin.error} />
      <Group justify="flex-end">
        {isChecked && (
          <Button
            variant="subtle"
            mr="auto"
            loading={preflight.isFetching}
            onClick={() => {
              setTicked(new Set());
              void preflight.refetch();
            }}
          >
            {t('updates:install.checkAgain')}
          </Button>
        )}
        <Button variant="default" onClick={onClose} data-autofocus>
          {operation === 'preflight' ? t('shared:close') : t('shared:cancel')}
        </Button>
        {operation !== 'preflight' && (
          <Button disabled={!isReady} loading={begin.isPending} onClick={() => begin.mutate()}>
            {t(`updates:install.confirm.${operation}`)}
          </Button>
        )}
      </Group>
    </Stack>
  );
}

/** Whoever installs on one appliance of a pair hears that there is a way for both. */
function PairAdvice() {
  const { t } = useTranslation();
  const peer = useApplianceHeader()?.peer;
  if (peer === null || peer === undefined) return null;
  return (
    <Alert color="yellow" py="xs">
      {t('updates:install.pair', { name: peer.name })}{' '}
      <Link to={appliancePaths.upgradePlans}>{t('appliance:tab.upgradePlans')}</Link>
    </Alert>
  );
}

/** Stands where the list will be, about as high. */
function Checking() {
  const { t } = useTranslation();
  return (
    <div role="status">
      <Text className="b-quiet" mb="xs">
        {t('updates:install.checking')}
      </Text>
      <Skeleton height={SKELETON_HEIGHT_PX} />
    </div>
  );
}

function WhatHappens({ intent: { operation, offer } }: { intent: Intent }) {
  const { t } = useTranslation();
  const missingBytes = offer.downloadBytes - offer.downloadedBytes;
  const download =
    missingBytes > 0 ? t('updates:install.downloads', { size: formatBytes(missingBytes) }) : t('updates:install.isHere');
  if (operation !== 'install')
    return (
      <Text>
        {download} {t(`updates:install.what.${operation}`)}
      </Text>
    );
  const isLicence = offer.manifest.kind === 'licence';
  const happens = [
    `${download} ${t('updates:install.verifies')}`,
    ...(isLicence ? [] : [t('updates:install.snapshot')]),
    ...effectsOf(offer.manifest).map((effect) => t(`updates:effect.${effect}`)),
    ...(isLicence ? [] : [t('updates:install.undone')]),
  ];
  return (
    <div>
      <Text fw={600}>{t('updates:install.whatHappens')}</Text>
      <ol className={classes['happens']}>
        {happens.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ol>
    </div>
  );
}
