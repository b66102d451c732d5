import type { JumpItem } from '@bascule/protocol/api/jump.ts';

const RANK: Record<JumpItem['state'], number> = { 'waiting-for-approval': 0, 'to-be-confirmed': 0, approved: 1, revoked: 2 };
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Order of the list: what waits for a decision, then the approved (online first), then the revoked; by name within. */
export function waitingFirst(a: JumpItem, b: JumpItem): number {
  return (
    RANK[a.state] - RANK[b.state] ||
    Number(b.online) - Number(a.online) ||
    collator.compare(a.name, b.name) ||
    (a.id < b.id ? -1 : 1)
  );
}

/** Whether every word of `search` occurs in what the list shows of the item. */
export function matchesItem(item: JumpItem, search: string): boolean {
  const text = [item.name, item.hostName, item.os, item.groupName ?? '', item.runsAs, item.comment, ...item.addresses]
    .join(' ')
    .toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
