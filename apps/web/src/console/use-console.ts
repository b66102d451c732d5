import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { useComputedColorScheme } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { activeAccessSessions, openedAccessSession, type AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { useApi } from '../shared/api-context.tsx';
import { errorText } from '../shared/error-text.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { apiPaths } from '../shared/paths.ts';
import { ConsoleSessions } from './console-sessions.ts';
import { useWaitingJump } from './items/use-waiting-jump.ts';
import { waitFor, type JumpGoal, type WaitingJump } from './items/waiting-jump.ts';
import { rememberedTabs, sessionInAddress, withoutGone } from './session-tabs.ts';
import type { ShellInfo } from './terminal/shell-session.ts';
import { proposedSize } from './terminal/proposed-size.ts';
import { terminalPreferences } from './terminal/use-terminal-preferences.ts';

const NO_ROWS: readonly AccessSessionRow[] = [];

/** The sessions of this window, kept for as long as the console is shown. */
export function useConsoleSessions(): ConsoleSessions {
  const api = useApi();
  const scheme = useComputedColorScheme('dark');
  const [sessions] = useState(() => new ConsoleSessions(api));
  useSyncExternalStore(sessions.subscribe, () => sessions.tabs);
  useEffect(() => {
    sessions.scheme = scheme;
  }, [sessions, scheme]);
  useEffect(() => () => sessions.closeAll(), [sessions]);
  return sessions;
}

/** This person's running access sessions; undefined until they are known. */
export function useOwnSessions(): readonly AccessSessionRow[] | undefined {
  const api = useApi();
  const me = useLoggedIn();
  const { data } = useQuery({
    queryKey: ['active-sessions', 'console'],
    queryFn: ({ signal }) => api.get(apiPaths.activeAccessSessions, activeAccessSessions, {}, signal),
  });
  return data && data.sessions.filter((row) => row.userId === me.id && row.state !== 'ended');
}

/** After a reload: opens the tabs again that this window had, and the session that the address names. Once. */
export function useRestoredTabs(
  sessions: ConsoleSessions,
  running: readonly AccessSessionRow[] | undefined,
  open: (info: ShellInfo) => void,
): void {
  const restored = useRef(false);
  useEffect(() => {
    if (!running || restored.current) return;
    restored.current = true;
    const byId = new Map(running.map((row) => [row.id, row]));
    const tabs = withoutGone(rememberedTabs(sessionStorage), new Set(byId.keys()));
    const wanted = sessionInAddress(location.pathname);
    for (const id of new Set([...tabs.open, ...(wanted === undefined ? [] : [wanted])])) {
      const row = byId.get(id);
      if (row) open(row);
    }
    sessions.activate(wanted !== undefined && byId.has(wanted) ? wanted : tabs.active);
    if (wanted !== undefined) history.replaceState(null, '', '/console');
  }, [sessions, running, open]);
}

/** Opens a session on an item; `opening` is the item for which that is under way. */
export function useJump(open: (info: ShellInfo) => void): {
  opening: string | undefined;
  jump: (item: JumpGoal) => void;
  /** A jump that waits for an upgrade or a check-in. */
  waiting: ReturnType<typeof useWaitingJump>;
} {
  const api = useApi();
  const client = useQueryClient();
  const { t } = useTranslation('console');
  const [opening, setOpening] = useState<string>();
  const busy = useRef(false);
  const beginWaiting = useRef<(waiting: WaitingJump) => void>(() => {});
  const jump = useCallback(
    async (item: JumpGoal) => {
      if (busy.current) return;
      busy.current = true;
      setOpening(item.id);
      try {
        const body = { jumpItemId: item.id, size: proposedSize(terminalPreferences().fontSize, window) };
        const { session } = await api.post(apiPaths.accessSessions, openedAccessSession, body);
        open({ id: session, jumpItemId: item.id, jumpItemName: item.name, hostName: item.hostName, runsAs: item.runsAs });
        void client.invalidateQueries({ queryKey: ['active-sessions'] });
      } catch (error) {
        const wait = waitFor(item, error, Date.now());
        if (wait !== undefined) return beginWaiting.current(wait);
        notifications.show({
          color: 'red',
          autoClose: false,
          message: t('jumpFailed', { name: item.name, reason: errorText(error) }),
        });
      } finally {
        busy.current = false;
        setOpening(undefined);
      }
    },
    [api, client, open, t],
  );
  const go = useCallback((item: JumpGoal) => void jump(item), [jump]);
  const giveUp = useCallback(
    ({ item }: WaitingJump) =>
      notifications.show({ color: 'red', autoClose: false, message: t('waiting.givenUp', { name: item.name }) }),
    [t],
  );
  const waiting = useWaitingJump(go, giveUp);
  useEffect(() => {
    beginWaiting.current = waiting.begin;
  }, [waiting.begin]);
  return { opening, jump: go, waiting };
}

/** Ends a session for good; false when that failed, which is said. */
export function useEndSession(): (session: string) => Promise<boolean> {
  const api = useApi();
  const client = useQueryClient();
  const { t } = useTranslation('console');
  return async (session) => {
    try {
      await api.post(apiPaths.endAccessSession(session), ok);
      void client.invalidateQueries({ queryKey: ['active-sessions'] });
      return true;
    } catch (error) {
      notifications.show({ color: 'red', autoClose: false, message: t('end.failed', { reason: errorText(error) }) });
      return false;
    }
  };
}

/** The rows without a tab here. */
export function withoutTabs(rows: readonly AccessSessionRow[] | undefined, open: readonly string[]): readonly AccessSessionRow[] {
  return rows?.filter((row) => !open.includes(row.id)) ?? NO_ROWS;
}
