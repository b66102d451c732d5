import { useCallback, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { uninstalled, type FleetClient } from '@bascule/protocol/api/fleet.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshFleet } from './fleet-queries.ts';

/** As many as the API takes at once. */
export const UNINSTALL_MAX = 10_000;
/** So many are named before it happens. */
const NAMES_SHOWN = 10;

/** Bulk uninstall (B89), asked first; `onDone` gets the list for redeployment. */
export function useUninstall(onDone: (clients: z.infer<typeof uninstalled>['clients']) => void): {
  ask: (clients: ReadonlyMap<string, FleetClient>) => void;
  dialog: ReactNode;
} {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFleet();
  const { ask: askFirst, dialog } = useConfirm();
  const ask = useCallback(
    (clients: ReadonlyMap<string, FleetClient>) => {
      const count = clients.size;
      const names = [...clients.values()].slice(0, NAMES_SHOWN).map((client) => client.name);
      askFirst({
        title: t('fleet:uninstall.title', { count, number: formatCount(count) }),
        consequences: (
          <>
            <p style={{ marginTop: 0 }}>{t('fleet:uninstall.consequences')}</p>
            <p style={{ marginBottom: 0, overflowWrap: 'anywhere' }}>
              {names.join(', ')}
              {count > NAMES_SHOWN && ` ${t('fleet:uninstall.andMore', { number: formatCount(count - NAMES_SHOWN) })}`}
            </p>
          </>
        ),
        confirm: t('fleet:uninstall.confirm'),
        dangerous: true,
        act: async () => {
          const body = { clientIds: [...clients.keys()] };
          const answer = await api.post(apiPaths.fleetUninstall, uninstalled, body, LONG_TIMEOUT_MS);
          onDone(answer.clients);
          await refresh();
        },
      });
    },
    [api, askFirst, onDone, refresh, t],
  );
  return { ask, dialog };
}
