/** Jump Items as the console shows them: their state in a word, why one cannot jump, the groups beside the list. Pure. */
import type { JumpItem, JumpItemsPage } from '@bascule/protocol/api/jump.ts';
import type { ItemOrder } from './item-query.ts';

/** Online first, then by name. */
export const DEFAULT_ORDER: ItemOrder = { sort: 'state', descending: false };

/** The word beside the dot. `checks-in`: passive, away, and back by itself. */
export type ItemStatus = 'online' | 'offline' | 'checks-in' | 'waiting-for-approval' | 'to-be-confirmed' | 'revoked';

export function itemStatus(item: JumpItem): ItemStatus {
  if (item.state !== 'approved') return item.state;
  if (item.online) return 'online';
  return item.nextCheckInMs === null ? 'offline' : 'checks-in';
}

/** Whether one may jump to `item`, and why not. A passive one that is away is waited for. Mirrors the site's rule: approved and connected. */
export function jumpObstacle(item: JumpItem): Exclude<ItemStatus, 'online' | 'checks-in'> | undefined {
  const status = itemStatus(item);
  return status === 'online' || status === 'checks-in' ? undefined : status;
}

/** What an upgrade still has to do; a client that does not upgrade itself, failed or went back is as new as it gets for now. */
const UPGRADING: readonly JumpItem['upgrade'][] = ['pending', 'waiting-for-session', 'downloading', 'restarting'];

export function isUpgrading(item: JumpItem): boolean {
  return UPGRADING.includes(item.upgrade);
}

/** Which group's items are wanted: `all`, an id, or `none` for those without a group. */
export type GroupChoice = 'all' | 'none' | (string & {});

export interface GroupCount {
  id: GroupChoice;
  /** Null for 'all' and for 'none': those are named by the interface. */
  name: string | null;
  items: number;
  online: number;
}

/** All, then the groups as they came: by name, those without one last. */
export function groupCounts(groups: JumpItemsPage['groups']): GroupCount[] {
  const sum = (of: 'items' | 'online') => groups.reduce((total, group) => total + group[of], 0);
  const all: GroupCount = { id: 'all', name: null, items: sum('items'), online: sum('online') };
  return [all, ...groups.map(({ id, ...counts }) => ({ id: id ?? 'none', ...counts }))];
}
