import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Button, Text } from '@mantine/core';
import { downloadKey as downloadKeySchema, type UpdatesState } from '@bascule/protocol/api/updates.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { ClockLine } from '../ClockLine.tsx';
import { countdown } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import { useTickingNow } from './use-ticking-now.ts';
import classes from './updates.module.css';

/** Appliance Download Key (B70-B73): made on request, good for 24 minutes, with the clock on which that depends beside it. */
export function DownloadKeyPanel({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [key, setKey] = useState<z.infer<typeof downloadKeySchema>>();
  const generate = useMutation({
    mutationFn: async () => {
      setKey(await api.post(apiPaths.updatesAction('download-key'), downloadKeySchema));
      await refresh();
    },
  });
  return (
    <div className={classes['panel']}>
      <h3>{t('updates:key.title')}</h3>
      <Text>
        {t('updates:key.note')} {state.settings.serverUrl !== '' && t('updates:key.where', { server: state.settings.serverUrl })}
      </Text>
      <p className={classes['clock']}>
        {t('updates:key.clock')} <ClockLine clock={state.clock} />
      </p>
      <FormFailure error={generate.error} />
      {key !== undefined && <ShownKey text={key.text} expiresAtMs={key.expiresAtMs} nowMs={state.nowMs} />}
      {key === undefined && state.downloadKey !== null && (
        <IssuedEarlier expiresAtMs={state.downloadKey.expiresAtMs} nowMs={state.nowMs} />
      )}
      <Button
        mt="xs"
        variant={key === undefined ? 'filled' : 'default'}
        loading={generate.isPending}
        onClick={() => generate.mutate()}
      >
        {key === undefined ? t('updates:key.generate') : t('updates:key.generateAgain')}
      </Button>
    </div>
  );
}

function ShownKey({ text, expiresAtMs, nowMs }: { text: string; expiresAtMs: number; nowMs: number }) {
  const { t } = useTranslation();
  const leftMs = expiresAtMs - useTickingNow(nowMs);
  return (
    <>
      <p className={classes['countdown']} role="timer">
        {leftMs > 0 ? t('updates:key.expiresIn', { time: countdown(leftMs) }) : t('updates:key.expired')}
      </p>
      {leftMs > 0 && <CopyField label={t('updates:key.title')} value={text} size="tall" />}
    </>
  );
}

/** A key that another page or person was given: it is not shown again, but the file that answers it is still taken. */
function IssuedEarlier({ expiresAtMs, nowMs }: { expiresAtMs: number; nowMs: number }) {
  const { t } = useTranslation();
  const leftMs = expiresAtMs - useTickingNow(nowMs);
  if (leftMs <= 0) return null;
  return <Text className="b-quiet">{t('updates:key.issuedEarlier', { time: countdown(leftMs) })}</Text>;
}
