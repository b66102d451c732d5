import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { HERE, type backupDestinations, type BackupDestination } from '@bascule/protocol/api/backup.ts';

export const SSH_PORT = 22;
type Destinations = z.infer<typeof backupDestinations>;

/** Where a destination is, in one line: a folder, or account, server and folder. */
export function placeOf({ place }: BackupDestination): string {
  if (place.kind === 'folder') return place.path;
  const host = place.host.includes(':') ? `[${place.host}]` : place.host;
  return `${place.account}@${host}${place.port === SSH_PORT ? '' : ` (${place.port})`}:${place.path}`;
}

/** Where backups can go: this appliance, then what was added, by name. */
export function useDestinationChoices(destinations: Destinations | undefined): { value: string; label: string }[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      { value: HERE, label: t('backup:destination.here') },
      ...(destinations?.destinations ?? []).map((one) => ({ value: one.id, label: `${one.name} (${placeOf(one)})` })),
    ],
    [t, destinations],
  );
}
