/** The preamble in front of every connection that base makes to a site's socket (wire 2). */
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { preamble as preambleSchema, PREAMBLE_MAGIC, PREAMBLE_MAX_BYTES, type Preamble } from '@bascule/protocol/base-site.ts';

/** A connection that has not said its preamble by then is closed. */
const PREAMBLE_WAIT_LIMIT_MS = 5000;

/** Connects to the Unix socket at `path` and writes the preamble first. */
export function connectWithPreamble(path: string, peer: Preamble): Socket {
  const socket = connect(path);
  socket.write(preambleOf(peer));
  return socket;
}

/** What is written first on a connection for `peer`, its newline included. */
export function preambleOf({ address, port }: Preamble): string {
  return `${PREAMBLE_MAGIC}${JSON.stringify({ address, port })}\n`;
}

/**
 * Listens on the Unix socket at `path` (removing one that a dead process left; mode 0600) and gives each connection that began with a sound preamble to
 * `onConnection`, its first bytes unread. Others are closed without an answer (wire 2.2).
 */
export async function acceptWithPreamble(path: string, onConnection: (socket: Socket, peer: Preamble) => void): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }, (socket) => readPreamble(socket, onConnection));
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      server.off('error', reject);
      resolve();
    });
  });
  return server;
}

function readPreamble(socket: Socket, onConnection: (socket: Socket, peer: Preamble) => void): void {
  let head: Buffer = Buffer.alloc(0);
  const close = () => socket.destroy();
  socket.setTimeout(PREAMBLE_WAIT_LIMIT_MS, close);
  socket.on('error', close);
  const onData = (chunk: Buffer) => {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const end = head.indexOf(10);
    if (end < 0 && head.length <= PREAMBLE_MAX_BYTES) return;
    socket.off('data', onData);
    socket.pause();
    const peer = end < 0 || end > PREAMBLE_MAX_BYTES ? undefined : parsePreamble(head.toString('utf8', 0, end));
    if (!peer) {
      close();
      return;
    }
    socket.setTimeout(0);
    socket.off('timeout', close);
    socket.off('error', close);
    if (head.length > end + 1) socket.unshift(head.subarray(end + 1));
    onConnection(socket, peer);
  };
  socket.on('data', onData);
  socket.resume();
}

/** Reads a preamble's line without its newline; undefined when it is none. */
export function parsePreamble(text: string): Preamble | undefined {
  if (!text.startsWith(PREAMBLE_MAGIC)) return undefined;
  try {
    return preambleSchema.safeParse(JSON.parse(text.slice(PREAMBLE_MAGIC.length))).data;
  } catch {
    return undefined;
  }
}
