import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Text } from '@mantine/core';
import { pendingChangeState, type PendingChange } from '@bascule/protocol/api/changes.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer, ApiError } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useTickingNow } from '../updates/use-ticking-now.ts';

export const CHANGES_KEY = ['changes'] as const;
const REFRESH_MS = 10_000;
const REFRESH_PENDING_MS = 2_000;
/** A browser keeps so many connections to one server: each but the last may be from before the change, and is closed by the try. */
const CONFIRM_TRIES = 8;

/** On every page of /appliance: a change that might have cut off its maker, until it is kept or undone. */
export function PendingChangeNotice() {
  const api = useApi();
  const { data } = useQuery({
    queryKey: CHANGES_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.pendingChange, pendingChangeState, {}, signal),
    refetchInterval: (query) => (query.state.data?.pending ? REFRESH_PENDING_MS : REFRESH_MS),
  });
  return data?.pending ? <Notice pending={data.pending} /> : null;
}

function Notice({ pending }: { pending: PendingChange }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const nowMs = useTickingNow(pending.undoAtMs - pending.leftMs);
  const refresh = () => client.invalidateQueries();
  const keep = useMutation({
    mutationFn: () => confirmAnew(() => api.post(apiPaths.confirmChange, anyAnswer)),
    onSuccess: () => notifyDone(t('network:pending.kept')),
    onSettled: refresh,
  });
  const undo = useMutation({
    mutationFn: () => api.post(apiPaths.undoChange, anyAnswer),
    onSuccess: () => notifyDone(t('network:pending.undone')),
    onSettled: refresh,
  });
  const seconds = Math.max(0, Math.ceil((pending.undoAtMs - nowMs) / 1000));
  const what = pending.kinds.map((kind) => t(`network:kind.${kind}`)).join(', ');
  return (
    <Alert color="red" role="alert" mb="md" title={t('network:pending.title', { what, about: pending.about })}>
      <Text mb="xs">{t('network:pending.text', { who: pending.madeBy })}</Text>
      {/* The rest is told once: a number that falls by the second is for the eye. */}
      <Text mb="sm" fw={600} aria-live="off">
        {t('network:pending.left', { seconds })}
      </Text>
      <FormFailure error={keep.error ?? undo.error} />
      <Group>
        <Button onClick={() => keep.mutate()} loading={keep.isPending} disabled={undo.isPending}>
          {t('network:pending.keep')}
        </Button>
        <Button variant="default" onClick={() => undo.mutate()} loading={undo.isPending} disabled={keep.isPending}>
          {t('network:pending.undoNow')}
        </Button>
      </Group>
    </Alert>
  );
}

/** Confirms by a connection from after the change: each earlier one that the browser takes is refused, and closed with that. */
async function confirmAnew(confirm: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await confirm();
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'CHANGE_CONFIRM_ANEW' || tries >= CONFIRM_TRIES) throw error;
    }
  }
}
