/** How quick the lists of Jump Clients are with 100,000 of them in the database: run by `bench fleet`, or by itself. Needs no appliance. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { searchJumpItemsQuery } from '@bascule/protocol/api/jump.ts';
import { ADMINISTRATOR, fillJumpItems, TestSite } from '../apps/site/src/jump/testing.ts';

const ITEMS = 100_000;
const GROUPS = 100;
const BULK_ITEMS = 10_000;
const ROUNDS = 20;
/** What people ask for: the first page, far down, filters, words that find much, little and nothing, every order. */
const SEARCHES: Record<string, unknown>[] = [
  {},
  { offset: 90_000 },
  { sort: 'state' },
  { sort: 'group', descending: 'true' },
  { sort: 'since', descending: 'true' },
  { sort: 'host' },
  { text: 'node-4711' },
  { text: 'example internal node-7' },
  { text: 'nothing at all' },
  { tag: 'odd', state: 'approved', sort: 'version' },
  { online: 'false', upgrade: 'current', limit: 500 },
];

export interface ListFigures {
  items: number;
  readyMs: number;
  /** One page, when something has changed since the one before. */
  searchMedianMs: number;
  searchSlowestMs: number;
  statusMs: number;
  bulkMs: number;
  /** The longest time in which nothing else could run, during the bulk action. */
  bulkBlockedMs: number;
  bytesPerItem: number;
}

export async function measureLists(): Promise<ListFigures> {
  const site = await TestSite.open();
  try {
    const { jump, store } = site;
    const groups = Array.from({ length: GROUPS }, (_, n) => jump.groups.create(ADMINISTRATOR, `Group ${n}`));
    fillJumpItems(store, ITEMS, groups);
    globalThis.gc?.();
    const heapBefore = process.memoryUsage().heapUsed;
    const readyMs = await took(() => jump.listsReady());
    globalThis.gc?.();
    const bytesPerItem = Math.round((process.memoryUsage().heapUsed - heapBefore) / ITEMS);
    const page = await jump.search(searchJumpItemsQuery.parse({ limit: 1 }), () => true);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const search of SEARCHES) {
        // Whoever comes or goes ends what is kept of earlier searches.
        jump.changeItem(ADMINISTRATOR, page.items[0]!.id, { comment: `round ${round} ${times.length}` });
        times.push(await took(() => jump.search(searchJumpItemsQuery.parse(search), () => true)));
      }
    }
    times.sort((one, other) => one - other);
    const statusMs = await took(() => jump.countsFor(({ groupId }) => groupId === groups[7]));
    const ids = await idsOf(jump, BULK_ITEMS);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    // Its first turn only begins to measure.
    await pause(20);
    const bulkMs = await took(() => jump.bulk(ADMINISTRATOR, { ids, action: { kind: 'group', groupId: groups[3]! } }));
    await pause(20);
    delay.disable();
    return {
      items: ITEMS,
      readyMs,
      searchMedianMs: times[times.length >> 1]!,
      searchSlowestMs: times.at(-1)!,
      statusMs,
      bulkMs,
      bulkBlockedMs: delay.max / 1e6,
      bytesPerItem,
    };
  } finally {
    await site.close();
  }
}

async function idsOf(jump: TestSite['jump'], count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let offset = 0; offset < count; offset += 500) {
    const { items } = await jump.search(searchJumpItemsQuery.parse({ offset, limit: 500 }), () => true);
    ids.push(...items.map(({ id }) => id));
  }
  return ids;
}

async function took(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await measureLists(), null, 2)}\n`);
