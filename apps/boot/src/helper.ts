import { chmodSync, chownSync, rmSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { OwnAddresses } from './helper-addresses.ts';
import { announce, whyNotAnnounced } from './helper-announce.ts';
import { Refused } from './helper-checks.ts';
import { Hooks } from './helper-hooks.ts';
import { HOST_PLACES, OwnHost } from './helper-host.ts';
import { mayPowerOff, power } from './helper-power.ts';
import { OwnRoutes, whyNoNetAdmin } from './helper-routes.ts';

/**
 * The helper: the only program that stays root. It answers a closed list of verbs over a Unix socket that base's group alone may open
 * (docs/spec/boot.md, 5): one JSON line, one JSON line back, and the connection is over.
 */
export const HELPER_VERSION = 3;
export const LINE_MAX_BYTES = 4096;
export const CONNECTIONS_MAX = 16;
export const REQUEST_WAIT_MS = 5_000;

type Args = Record<string, string>;
/** What each verb takes (argument names, all text) and does. Its answer is made JSON. */
interface Verb {
  takes: readonly string[];
  run(args: Args): unknown;
}
export type Answer = { ok: true; result: unknown } | { ok: false; error: string };

/** What the verbs work on. */
export interface HelperParts {
  addresses: OwnAddresses;
  hooks: Hooks;
  routes: OwnRoutes;
  host: OwnHost;
}

/** The closed list. */
export function verbsOf({ addresses, hooks, routes, host }: HelperParts): Record<string, Verb> {
  const verbs: Record<string, Verb> = {
    describe: {
      takes: [],
      run: () => ({
        version: HELPER_VERSION,
        uid: process.getuid?.() ?? -1,
        verbs: Object.keys(verbs),
        missing: { announce4: whyNotAnnounced(4) ?? null, announce6: whyNotAnnounced(6) ?? null, netAdmin: whyNoNetAdmin() },
      }),
    },
    'address-list': { takes: [], run: () => addresses.list() },
    'address-add': {
      takes: ['device', 'address', 'prefix', 'until'],
      run: ({ device = '', address = '', prefix = '', until = '' }) => addresses.add({ device, address, prefix, until }),
    },
    'address-drop': {
      takes: ['device', 'address'],
      run: ({ device = '', address = '' }) => addresses.drop({ device, address }),
    },
    announce: {
      takes: ['device', 'address'],
      run({ device = '', address = '' }) {
        announce(addresses.owned({ device, address }));
        return null;
      },
    },
    'hook-list': { takes: [], run: () => hooks.list() },
    hook: { takes: ['name', 'direction'], run: ({ name = '', direction = '' }) => hooks.run({ name, direction }) },
    'route-list': { takes: [], run: () => routes.list() },
    'route-add': {
      takes: ['destination', 'gateway', 'device', 'metric'],
      run: ({ destination = '', gateway = '', device = '', metric = '' }) => routes.add({ destination, gateway, device, metric }),
    },
    'route-drop': {
      takes: ['destination', 'gateway', 'device', 'metric'],
      run: ({ destination = '', gateway = '', device = '', metric = '' }) =>
        routes.drop({ destination, gateway, device, metric }),
    },
    'host-look': { takes: [], run: () => host.look() },
    'host-name': { takes: ['name'], run: ({ name = '' }) => host.setName({ name }) },
    resolver: { takes: ['servers', 'search'], run: ({ servers = '', search = '' }) => host.setResolver({ servers, search }) },
    // Where the machine is not ours to switch off, they are not in the list.
    ...(mayPowerOff() && {
      'power-off': { takes: [], run: () => power('poweroff') },
      reboot: { takes: [], run: () => power('reboot') },
    }),
  };
  return verbs;
}

/** Answers one request line; never rejects. `{"verb", ...arguments}` → `{"ok": true, "result"}` or `{"ok": false, "error"}`. */
export async function answer(verbs: Record<string, Verb>, line: string): Promise<Answer> {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    return { ok: false, error: 'the request is not JSON' };
  }
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    return { ok: false, error: 'the request is not an object' };
  const { verb, ...args } = request as Record<string, unknown>;
  const known = typeof verb === 'string' && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (known === undefined) return { ok: false, error: 'verb is not one of the list' };
  const extra = Object.keys(args).find((name) => !known.takes.includes(name));
  if (extra !== undefined) return { ok: false, error: `an argument is not one of ${String(verb)}'s` };
  const checked: Args = {};
  for (const name of known.takes) {
    const value = args[name];
    if (typeof value !== 'string') return { ok: false, error: `${name} must be text` };
    checked[name] = value;
  }
  try {
    return { ok: true, result: (await known.run(checked)) ?? null };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.message };
    process.stderr.write(`helper: ${String(verb)}: ${error instanceof Error ? error.message : String(error)}\n`);
    return { ok: false, error: 'the helper could not do it; the log says why' };
  }
}

function serve(verbs: Record<string, Verb>, connection: net.Socket): void {
  let text = '';
  const late = setTimeout(() => connection.destroy(), REQUEST_WAIT_MS);
  connection.setEncoding('utf8');
  connection.on('error', () => connection.destroy());
  connection.once('close', () => clearTimeout(late));
  connection.on('data', (piece: string) => {
    text += piece;
    const end = text.indexOf('\n');
    if (end === -1 && text.length <= LINE_MAX_BYTES) return;
    clearTimeout(late);
    connection.removeAllListeners('data').resume();
    const isTooLong = end === -1 || end > LINE_MAX_BYTES;
    const replied: Promise<Answer> = isTooLong
      ? Promise.resolve({ ok: false, error: `the request is longer than ${LINE_MAX_BYTES} bytes` })
      : answer(verbs, text.slice(0, end));
    void replied.then((reply) => connection.end(`${JSON.stringify(reply)}\n`));
  });
}

function start(socket: string, gid: number): void {
  const folder = dirname(socket);
  const addresses = new OwnAddresses(join(folder, 'addresses.json'), bootClockMs);
  // <home>/run/helper/helper.sock
  const verbs = verbsOf({
    addresses,
    hooks: new Hooks(join(folder, '..', '..', 'hooks')),
    routes: new OwnRoutes(),
    host: new OwnHost(HOST_PLACES),
  });
  rmSync(socket, { force: true });
  const server = net.createServer((connection) => serve(verbs, connection));
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(socket, () => {
    chownSync(socket, process.getuid?.() ?? 0, gid);
    chmodSync(socket, 0o660);
    process.umask(0o022); // For hooks.
    process.send?.({ kind: 'ready' });
  });
  process.on('message', () => process.exit(0)); // boot says one thing: stop.
  process.on('disconnect', () => process.exit(0)); // Without boot nobody would restart or stop it.
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { socket: { type: 'string' }, gid: { type: 'string' } } });
  if (values.socket === undefined || !/^\d+$/.test(values.gid ?? ''))
    throw new Error('usage: helper.ts --socket PATH --gid NUMBER');
  process.umask(0o117); // The socket is born without rights for others.
  start(values.socket, Number(values.gid));
}
