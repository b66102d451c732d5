import { chmodSync, chownSync, rmSync } from 'node:fs';
import net from 'node:net';
import { parseArgs } from 'node:util';

/**
 * The helper: the only program that stays root. It answers a closed list of verbs over a Unix socket that base's group alone may open
 * (docs/spec/boot.md, 5): one JSON line, one JSON line back, and the connection is over.
 */
export const HELPER_VERSION = 1;
export const LINE_MAX_BYTES = 4096;
export const CONNECTIONS_MAX = 16;
export const REQUEST_WAIT_MS = 5_000;

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
/** What each verb takes (argument names, all text) and does. */
const verbs: Record<string, { takes: readonly string[]; run(args: Record<string, string>): Json }> = {
  describe: { takes: [], run: () => ({ version: HELPER_VERSION, uid: process.getuid?.() ?? -1, verbs: Object.keys(verbs) }) },
};

/** Answers one request line; never throws. `{"verb", ...arguments}` → `{"ok": true, "result"}` or `{"ok": false, "error"}`. */
export function answer(line: string): { ok: true; result: Json } | { ok: false; error: string } {
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
  const checked: Record<string, string> = {};
  for (const name of known.takes) {
    const value = args[name];
    if (typeof value !== 'string') return { ok: false, error: `${name} must be text` };
    checked[name] = value;
  }
  return { ok: true, result: known.run(checked) };
}

function serve(connection: net.Socket): void {
  let text = '';
  connection.setEncoding('utf8').setTimeout(REQUEST_WAIT_MS, () => connection.destroy());
  connection.on('error', () => connection.destroy());
  connection.on('data', (piece: string) => {
    text += piece;
    const end = text.indexOf('\n');
    if (end === -1 && text.length <= LINE_MAX_BYTES) return;
    connection.removeAllListeners('data').resume();
    const reply =
      end === -1 || end > LINE_MAX_BYTES
        ? { ok: false, error: `the request is longer than ${LINE_MAX_BYTES} bytes` }
        : answer(text.slice(0, end));
    connection.end(`${JSON.stringify(reply)}\n`);
  });
}

function start(socket: string, gid: number): void {
  rmSync(socket, { force: true });
  const server = net.createServer(serve);
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(socket, () => {
    chownSync(socket, process.getuid?.() ?? 0, gid);
    chmodSync(socket, 0o660);
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
