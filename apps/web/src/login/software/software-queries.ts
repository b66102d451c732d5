import { useCallback } from 'react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  backupChanges,
  backupDestinations,
  backups,
  backupSchedule,
  backupSizes,
  type BackupProgress,
} from '@bascule/protocol/api/backup.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

/** Bytes move without an event. */
const RUNNING_REFRESH_MS = 1_000;
const QUIET_REFRESH_MS = 15_000;
/** What would be in a backup grows slowly, and is counted each time. */
const SIZES_REFRESH_MS = 60_000;

/** The backups, and what is under way. The keys start with the event topic `backup`. */
export function useBackups(isEnabled = true) {
  const api = useApi();
  return useQuery({
    queryKey: ['backup', 'list'],
    enabled: isEnabled,
    queryFn: ({ signal }) => api.get(apiPaths.backups, backups, {}, signal),
    refetchInterval: ({ state }) => (isRunning(state.data) ? RUNNING_REFRESH_MS : QUIET_REFRESH_MS),
  });
}

function isRunning(data: { running: BackupProgress | null } | undefined): boolean {
  return data !== undefined && data.running !== null;
}

export function useBackupSizes() {
  const api = useApi();
  return useQuery({
    queryKey: ['backup', 'sizes'],
    queryFn: ({ signal }) => api.get(apiPaths.backupSizes, backupSizes, {}, signal),
    refetchInterval: SIZES_REFRESH_MS,
  });
}

/** What was configured since the last restorable backup (B189), newest first, page by page. */
export function useBackupChanges(isEnabled: boolean) {
  const api = useApi();
  return useInfiniteQuery({
    queryKey: ['backup', 'changes'],
    enabled: isEnabled,
    queryFn: ({ pageParam, signal }) => api.get(apiPaths.backupChanges, backupChanges, { before: pageParam }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => page.before ?? undefined,
  });
}

export function useBackupSchedule() {
  const api = useApi();
  return useQuery({
    queryKey: ['backup', 'schedule'],
    queryFn: ({ signal }) => api.get(apiPaths.backupSchedule, backupSchedule, {}, signal),
  });
}

export function useBackupDestinations() {
  const api = useApi();
  return useQuery({
    queryKey: ['backup', 'destinations'],
    queryFn: ({ signal }) => api.get(apiPaths.backupDestinations, backupDestinations, {}, signal),
  });
}

export function useRefreshBackups(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['backup'] }), [client]);
}
