import { jumpItem, jumpItemsPage, type JumpItem } from '@bascule/protocol/api/jump.ts';
import { id } from '@bascule/protocol/text.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { SiteRefusal, type SiteConnection } from './site-connection.ts';

/** Jump Items of one answer (searchJumpItemsQuery). */
const PAGE_ITEMS = 500;
/** What `bascule ls` lists at most; more is what `bascule ls TEXT` is for. */
export const LISTED_ITEMS_LIMIT = 20_000;
/** Of an ambiguous name, so many are shown. */
const SHOWN_CANDIDATES_LIMIT = 20;

/** The Jump Items that this user may see, by name; with `text`, those in which it occurs. */
export async function listItems(connection: SiteConnection, text = ''): Promise<{ items: JumpItem[]; total: number }> {
  const items: JumpItem[] = [];
  for (;;) {
    const query = new URLSearchParams({ text, offset: String(items.length), limit: String(PAGE_ITEMS) });
    const page = await connection.call('GET', `jump/items/search?${query}`, jumpItemsPage);
    items.push(...page.items);
    if (page.items.length < PAGE_ITEMS || items.length >= Math.min(page.total, LISTED_ITEMS_LIMIT))
      return { items, total: page.total };
  }
}

/**
 * The one Jump Item that `wanted` names: an id, `NAME` or `GROUP/NAME`, else the only one that has the text in its name; case does not matter. Throws ConsoleError that
 * lists the candidates with their groups.
 */
export async function findItem(connection: SiteConnection, wanted: string): Promise<JumpItem> {
  if (id('jumpClient').safeParse(wanted).success) {
    const found = await connection.call('GET', `jump/items/${wanted}`, jumpItem).catch((error: unknown) => {
      if (error instanceof SiteRefusal && error.status === 404) return undefined;
      throw error;
    });
    return chooseItem(found === undefined ? [] : [found], wanted);
  }
  // A group's name may hold a slash too: the search is for what is behind the last one.
  const { items } = await listItems(connection, wanted.slice(wanted.lastIndexOf('/') + 1));
  return chooseItem(items, wanted);
}

/** As `findItem`, among `items`. */
export function chooseItem(items: JumpItem[], wanted: string): JumpItem {
  const same = (left: string | null) => left?.toLowerCase() === wanted.toLowerCase();
  const choices = [
    items.filter((item) => item.id === wanted),
    items.filter((item) => same(item.name)),
    items.filter((item) => item.groupName !== null && same(`${item.groupName}/${item.name}`)),
    items.filter((item) => item.name.toLowerCase().includes(wanted.toLowerCase())),
  ];
  const found = choices.find((choice) => choice.length > 0);
  if (found === undefined)
    throw new ConsoleError(
      ExitCode.notFound,
      `There is no Jump Item '${wanted}', or you may not see it. 'bascule ls' lists yours.`,
    );
  const [item] = found;
  if (found.length === 1 && item !== undefined) return item;
  const lines = found
    .slice(0, SHOWN_CANDIDATES_LIMIT)
    .map((one) => `  ${callable(one, found)}${one.online ? '' : '  (offline)'}`);
  const more = found.length > lines.length ? `\n  and ${found.length - lines.length} more` : '';
  throw new ConsoleError(ExitCode.notFound, `'${wanted}' may be any of these; name one of them:\n${lines.join('\n')}${more}`);
}

/** How a person can name `item` so that none of `others` is meant. */
function callable(item: JumpItem, others: JumpItem[]): string {
  const text = item.groupName === null ? item.name : `${item.groupName}/${item.name}`;
  const isUnique = others.filter((one) => one.name === item.name && one.groupName === item.groupName).length === 1;
  return isUnique ? text : `${item.id}  ${text} on ${item.hostName}`;
}
