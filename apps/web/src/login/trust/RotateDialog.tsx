import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Skeleton, Text } from '@mantine/core';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { anyAnswer, LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { LossesResult } from './LossesResult.tsx';
import { useLosses } from './trust-queries.ts';
import classes from './trust.module.css';

const STEPS = ['signed', 'connected', 'away', 'installers', 'former'] as const;
const RESULT_HEIGHT_PX = 62;

/** Says what a rotation does, and who would be lost by it, before it is done. */
export function RotateDialog({ onRotated, onClose }: { onRotated: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const ask = useLosses();
  const losses = useQuery({ queryKey: ['identity-losses'], queryFn: () => ask({ kind: 'identity' }), gcTime: 0 });
  const rotate = async () => {
    await api.post(apiPaths.rotateSiteIdentity, anyAnswer, {}, LONG_TIMEOUT_MS);
    onRotated();
    notifyDone(t('trust:rotate.done'));
  };
  return (
    <FormDialog title={t('trust:rotate.title')} confirm={t('trust:rotate.confirm')} onSubmit={rotate} onClose={onClose} size="xl">
      <Text>{t('trust:rotate.happens')}</Text>
      <ol className={classes['happens']}>
        {STEPS.map((step) => (
          <li key={step}>{t(`trust:rotate.step.${step}`)}</li>
        ))}
      </ol>
      <Text fw={600}>{t('trust:losses.title')}</Text>
      {losses.data !== undefined && <LossesResult losses={losses.data} isShort />}
      {losses.data === undefined &&
        (losses.isError ? (
          <QueryFailure query={losses} />
        ) : (
          <Skeleton height={RESULT_HEIGHT_PX} aria-label={t('shared:loading')} />
        ))}
    </FormDialog>
  );
}
