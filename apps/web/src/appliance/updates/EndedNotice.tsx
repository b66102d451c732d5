import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Text } from '@mantine/core';
import { history as historySchema, type Installation } from '@bascule/protocol/api/updates.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { causeTexts, packageName } from './update-texts.ts';
import { hasGoneBack } from './updates-model.ts';
import { HISTORY_KEY } from './updates-queries.ts';

const COLORS: Partial<Record<Installation['outcome'], string>> = {
  installed: 'green',
  downloaded: 'green',
  tried: 'green',
  cancelled: 'yellow',
  failed: 'red',
};

/** Says how that ended which this page saw running; what was rolled back has a banner of its own, and History keeps all of it. */
export function EndedNotice({ running }: { running: Installation | null }) {
  const { t } = useTranslation();
  const api = useApi();
  const [seenId, setSeenId] = useState(running?.id);
  const [isClosed, setClosed] = useState(false);
  if (running !== null && running.id !== seenId) {
    setSeenId(running.id);
    setClosed(false);
  }
  const history = useQuery({
    queryKey: [...HISTORY_KEY, 'ended', seenId],
    queryFn: ({ signal }) => api.get(apiPaths.updatesHistory, historySchema, {}, signal),
    enabled: running === null && seenId !== undefined,
  });
  const ended = history.data?.installations.find(({ id }) => id === seenId);
  const color = ended === undefined ? undefined : COLORS[ended.outcome];
  if (running !== null || isClosed || ended === undefined || color === undefined) return null;
  return (
    <Alert
      color={color}
      role={ended.outcome === 'failed' ? 'alert' : 'status'}
      mb="md"
      withCloseButton
      closeButtonLabel={t('shared:close')}
      onClose={() => setClosed(true)}
    >
      <Text fw={600}>
        {t(`updates:ended.${hasGoneBack(ended) ? 'wentBack' : ended.outcome}`, {
          name: packageName(t, ended.kind, ended.toVersion),
        })}
      </Text>
      {ended.outcome === 'failed' && ended.cause !== null && (
        <Text>
          {causeTexts(ended.cause).message} {causeTexts(ended.cause).advice}
        </Text>
      )}
    </Alert>
  );
}
