import { setImmediate as nextTurn } from 'node:timers/promises';
import type { z } from 'zod';
import type { fleetClientsQuery, FleetClient, UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { Reader } from '@bascule/store/store.ts';
import { listedRows, type ListedRow } from './fleet-store.ts';
import type { FleetView } from './fleet-options.ts';
import type { FleetMember } from './fleet-clients.ts';

/** Clients read in one turn of an export. */
const BATCH = 500;

/** Seen first, since somebody may have to do something about them, or watches them. */
const FIRST_STATES: ReadonlySet<UpgradeState | undefined> = new Set(['downloading', 'restarting', 'failed', 'rolled-back']);

/** One page of what fits the text (name or host name) and the state. */
export function fleetPage(reader: Reader, view: FleetView, query: z.infer<typeof fleetClientsQuery>) {
  const text = query.text.trim().toLowerCase();
  const fits = ({ id, name, hostName }: FleetMember) =>
    (query.state === undefined || view.core.entries.get(id)?.state === query.state) &&
    (text === '' || name.toLowerCase().includes(text) || hostName.toLowerCase().includes(text));
  const found = (query.order === 'name' ? view.clients.sorted() : inQueueOrder(view)).filter(fits);
  const ids = found.slice(query.offset, query.offset + query.limit).map(({ id }) => id);
  return { total: found.length, clients: clientsOf(reader, view, ids) };
}

/** Those under way or failed, by name; those that wait, by their place; the rest, by name. */
function inQueueOrder({ clients, core }: FleetView): FleetMember[] {
  const places = core.entries.places();
  const first: FleetMember[] = [];
  const rest: FleetMember[] = [];
  for (const member of clients.sorted()) {
    if (FIRST_STATES.has(core.entries.get(member.id)?.state)) first.push(member);
    else if (!places.has(member.id)) rest.push(member);
  }
  const waiting = [...places.keys()].flatMap((id) => {
    const isFirst = FIRST_STATES.has(core.entries.get(id)?.state);
    return isFirst ? [] : (clients.get(id) ?? []);
  });
  return [...first, ...waiting, ...rest];
}

/** The client, as lists show it; undefined when there is none. */
export function fleetClient(reader: Reader, view: FleetView, id: string): FleetClient | undefined {
  return clientsOf(reader, view, [id])[0];
}

/** B113: every client, by name, some at a time so that others get their turn. */
export async function* allClients(reader: Reader, view: FleetView): AsyncGenerator<FleetClient[]> {
  const members = view.clients.sorted();
  for (let index = 0; index < members.length; index += BATCH) {
    yield clientsOf(
      reader,
      view,
      members.slice(index, index + BATCH).map(({ id }) => id),
    );
    await nextTurn();
  }
}

/** The export as a table; the first row names the columns, times are ISO 8601. */
export async function* csvLines(reader: Reader, view: FleetView): AsyncGenerator<string> {
  yield `${COLUMNS.join(',')}\r\n`;
  for await (const clients of allClients(reader, view)) yield clients.map((client) => `${csvLine(client)}\r\n`).join('');
}

/** The export as one JSON object: `{version, madeAtMs, clients: [...]}`. */
export async function* jsonPieces(reader: Reader, view: FleetView, madeAtMs: number): AsyncGenerator<string> {
  const { version, revision } = view.version;
  yield `${JSON.stringify({ version, revision, madeAtMs }).slice(0, -1)},"clients":[`;
  let separator = '\n';
  for await (const clients of allClients(reader, view)) {
    if (clients.length === 0) continue;
    yield separator + clients.map((client) => JSON.stringify(client)).join(',\n');
    separator = ',\n';
  }
  yield '\n]}\n';
}

const COLUMNS = [
  'id',
  'name',
  'groupName',
  'program',
  'version',
  'revision',
  'state',
  'ring',
  'failure',
  'reason',
  'attempts',
  'nextTryAtMs',
  'upgradedAtMs',
  'online',
  'sinceMs',
] as const satisfies (keyof FleetClient)[];
const TIMES: ReadonlySet<string> = new Set(['nextTryAtMs', 'upgradedAtMs', 'sinceMs']);

function csvLine(client: FleetClient): string {
  return COLUMNS.map((column) => {
    const value = client[column];
    return csvCell(value === null ? '' : TIMES.has(column) ? new Date(value as number).toISOString() : String(value));
  }).join(',');
}

/** A cell (RFC 4180) that no spreadsheet takes for a formula: clients choose their names themselves. */
export function csvCell(text: string): string {
  const guarded = /^[\s\p{Cc}]*[=+\-@]|^[\t\r\n]/u.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

function clientsOf(reader: Reader, view: FleetView, ids: readonly string[]): FleetClient[] {
  const places = view.core.entries.places();
  return listedRows(reader, ids).map((row) => toClient(view, row, view.clients.get(row.id), places.get(row.id) ?? null));
}

/** In the exports; the page says it in its own language, by the state. */
const CANNOT_UPGRADE = 'It was started from a checkout or by an earlier installer: install it anew.';

function toClient(view: FleetView, row: ListedRow, member: FleetMember | undefined, place: number | null): FleetClient {
  const entry = view.core.entries.get(row.id);
  const { version } = view.version;
  const isUpgraded = entry?.outcome === 'done' && entry.order?.version === version && entry.standing === 'current';
  return {
    id: row.id,
    name: row.name,
    groupName: row.groupName,
    program: row.program,
    // What it said at its newest connect; the row follows a moment later.
    version: member?.version ?? row.version,
    revision: member?.software?.revision ?? row.revision,
    state: entry?.state ?? 'current',
    ring: view.settings.rings[entry?.ring ?? 0]?.name ?? '',
    place,
    failure: entry?.failure ?? null,
    reason: entry?.reason ?? (entry?.state === 'unsupported' ? CANNOT_UPGRADE : null),
    attempts: entry?.attempts ?? 0,
    nextTryAtMs: entry?.nextTryAtMs ?? null,
    upgradedAtMs: isUpgraded ? entry.endedAtMs : null,
    online: entry?.isOnline ?? false,
    sinceMs: member?.lastSeenAtMs ?? null,
  };
}
