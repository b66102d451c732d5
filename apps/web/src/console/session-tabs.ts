/** Which sessions have a tab, in which order, and which tab is in front. Pure; kept over a reload by the window's session storage. */
import { z } from 'zod';

/** More tabs than this are not opened again after a reload. */
const REMEMBERED_TABS_MAX = 32;
const STORAGE_KEY = 'bascule.console.tabs';

const tabsSchema = z.object({
  open: z.array(z.string()).max(REMEMBERED_TABS_MAX),
  /** A session's id; null is the list of Jump Items. */
  active: z.string().nullable(),
});
export type SessionTabs = z.infer<typeof tabsSchema>;

export const NO_TABS: SessionTabs = { open: [], active: null };

/** Opens a tab for `session` (unless it has one) and brings it to the front. */
export function openTab(tabs: SessionTabs, session: string): SessionTabs {
  return { open: tabs.open.includes(session) ? tabs.open : [...tabs.open, session], active: session };
}

/** Closes a tab; its right neighbour comes to the front, else its left one, else the list. */
export function closeTab(tabs: SessionTabs, session: string): SessionTabs {
  const at = tabs.open.indexOf(session);
  if (at === -1) return tabs;
  const open = tabs.open.filter((other) => other !== session);
  return { open, active: tabs.active === session ? (open[at] ?? open[at - 1] ?? null) : tabs.active };
}

export function activateTab(tabs: SessionTabs, session: string | null): SessionTabs {
  return session === null || tabs.open.includes(session) ? { ...tabs, active: session } : tabs;
}

/** The tab beside the one in front, around the ends; the list of Jump Items is the first. */
export function stepTab(tabs: SessionTabs, by: 1 | -1): SessionTabs {
  const all = [null, ...tabs.open];
  const next = (all.indexOf(tabs.active) + by + all.length) % all.length;
  return { ...tabs, active: all[next] ?? null };
}

type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem'>;

export function rememberTabs(storage: KeyValueStorage, tabs: SessionTabs): void {
  try {
    storage.setItem(STORAGE_KEY, JSON.stringify({ ...tabs, open: tabs.open.slice(0, REMEMBERED_TABS_MAX) }));
  } catch {
    // Without storage the sessions are offered again instead of being opened.
  }
}

/** The tabs this window had before its reload. */
export function rememberedTabs(storage: KeyValueStorage): SessionTabs {
  try {
    const parsed = tabsSchema.safeParse(JSON.parse(storage.getItem(STORAGE_KEY) ?? 'null'));
    return parsed.success ? parsed.data : NO_TABS;
  } catch {
    return NO_TABS;
  }
}

/** The tabs of sessions that still run. */
export function withoutGone(tabs: SessionTabs, running: ReadonlySet<string>): SessionTabs {
  return tabs.open.filter((session) => !running.has(session)).reduce(closeTab, tabs);
}

const SESSION_ADDRESS = /^\/console\/sessions\/([^/]+)\/?$/;

/** The session that the page's address names (`/console/sessions/ID`), if any. */
export function sessionInAddress(pathname: string): string | undefined {
  const found = SESSION_ADDRESS.exec(pathname)?.[1];
  return found === undefined ? undefined : decodeURIComponent(found);
}
