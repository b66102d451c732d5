import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { controlRequest, type ControlAnswer, type ControlRequest } from '@bascule/protocol/appliance-control.ts';

export const CONTROL_LINE_MAX_BYTES = 4096;
export const CONTROL_CONNECTIONS_MAX = 32;
/** How long a caller may take to say what it wants. */
export const CONTROL_REQUEST_WAIT_MS = 5_000;

/** What each request does; what it throws as `AppError` becomes the answer's error. */
export type ControlHandlers = {
  [K in ControlRequest['kind']]: (request: Extract<ControlRequest, { kind: K }>) => ControlAnswer | Promise<ControlAnswer>;
};

/**
 * Listens on run/control/control.sock (protocol/appliance-control.ts), which only base's user and root can reach: whoever gets here may do everything
 * to the appliance anyhow, so nothing is asked. Call the answer's `close` to end it.
 */
export async function openControlSocket(path: string, handlers: ControlHandlers, log: Log): Promise<net.Server> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const server = net.createServer((connection) => serve(connection, handlers, log));
  server.maxConnections = CONTROL_CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  chmodSync(path, 0o600);
  return server;
}

function serve(connection: net.Socket, handlers: ControlHandlers, log: Log): void {
  let text = '';
  connection.setEncoding('utf8').setTimeout(CONTROL_REQUEST_WAIT_MS, () => connection.destroy());
  connection.on('error', () => connection.destroy());
  const read = (piece: string): void => {
    text += piece;
    const end = text.indexOf('\n');
    if (end === -1 && text.length <= CONTROL_LINE_MAX_BYTES) return;
    connection.off('data', read).setTimeout(0);
    connection.resume();
    const line = end === -1 || end > CONTROL_LINE_MAX_BYTES ? undefined : text.slice(0, end);
    void answer(line, handlers, log).then((reply) => connection.end(`${JSON.stringify(reply)}\n`));
  };
  connection.on('data', read);
}

async function answer(line: string | undefined, handlers: ControlHandlers, log: Log): Promise<ControlAnswer> {
  if (line === undefined) return { ok: false, error: `The request is longer than ${CONTROL_LINE_MAX_BYTES} bytes.` };
  const request = parseRequest(line);
  if ('error' in request) return { ok: false, error: request.error };
  try {
    // The handler is the one of the request's own kind; TypeScript cannot follow that through the index.
    const handler = handlers[request.kind] as (request: ControlRequest) => ControlAnswer | Promise<ControlAnswer>;
    return await handler(request);
  } catch (error) {
    if (error instanceof AppError) return { ok: false, error: error.message };
    log.error({ kind: request.kind, message: error instanceof Error ? error.message : String(error) }, 'control.failed');
    return { ok: false, error: 'The appliance failed at this; its log says more.' };
  }
}

function parseRequest(line: string): ControlRequest | { error: string } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { error: 'The request is not JSON.' };
  }
  const parsed = controlRequest.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return { error: `${issue?.path.join('.') || 'request'}: ${issue?.message}` };
}
