import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Progress, Stack, Text } from '@mantine/core';
import { ok } from '@bascule/protocol/api/common.ts';
import type { Restoration } from '@bascule/protocol/api/restore.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { Steps } from './Steps.tsx';
import { useRefreshRestore } from './restore-queries.ts';

/** A restore that is under way, step by step. */
export function RunningSection({ restoration }: { restoration: Restoration }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshRestore();
  const cancel = useMutation({
    mutationFn: () => api.post(apiPaths.restoreCancel, ok, { id: restoration.id }),
    onSuccess: refresh,
  });
  const { source, progress, operation, startedBy, startedAtMs } = restoration;
  const values = { appliance: source.appliance, at: formatMinute(source.madeAtMs) };
  return (
    <>
      <Headline tone="warn" text={t(`restore:running.${operation}`, values)}>
        <HeadlineNote>{t('restore:running.by', { name: startedBy, at: formatMinute(startedAtMs) })}</HeadlineNote>
      </Headline>
      <Section
        title={t('restore:running.steps')}
        note={t(restoration.mayCancel ? 'restore:running.early' : 'restore:running.late')}
      >
        <Stack gap="sm" maw={640}>
          <Steps steps={restoration.steps} />
          {progress !== null && progress.total !== null && progress.total > 0 && (
            <div>
              <Progress value={(progress.done / progress.total) * 100} aria-label={t(`restore:step.${restoration.step}`)} />
              <Text className="b-quiet">
                {t('restore:of', { done: formatBytes(progress.done), total: formatBytes(progress.total) })}
              </Text>
            </div>
          )}
          <FormFailure error={cancel.error} />
          <div>
            <Button
              variant="default"
              disabled={!restoration.mayCancel}
              loading={cancel.isPending}
              onClick={() => cancel.mutate()}
            >
              {t('restore:running.cancel')}
            </Button>
          </div>
        </Stack>
      </Section>
    </>
  );
}
