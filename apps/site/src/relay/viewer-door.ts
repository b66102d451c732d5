import { createServer, type IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { FRAME_MAX_BYTES } from '@bascule/wire/frames.ts';
import { acceptWithPreamble } from '@bascule/wire/preamble.ts';
import { acceptWebSocket, refuseUpgrade, type LinkSocket } from '@bascule/wire/web-socket.ts';

/** Browser connections at a time. */
export const VIEWER_CONNECTIONS_MAX = 5000;
/** A connection that has not asked for its upgrade by then is closed. */
const REQUEST_LIMIT_MS = 10_000;

/**
 * Listens on `relay.sock` for viewer links (wire 2, 4.1): preamble, then a WebSocket upgrade of `/stream` whose Origin is the host that was asked for, so that no foreign page can
 * open one. Who it is, the ticket in HELLO says.
 */
export async function openViewerDoor(
  path: string,
  accept: (socket: LinkSocket, address: string) => void,
  requestLimitMs = REQUEST_LIMIT_MS,
): Promise<Server> {
  const addresses = new WeakMap<Socket, string>();
  const http = createServer(
    { headersTimeout: requestLimitMs, requestTimeout: requestLimitMs, connectionsCheckingInterval: requestLimitMs / 2 },
    (_request, response) => response.writeHead(404, { connection: 'close' }).end(),
  );
  http.on('clientError', (_error, socket) => socket.destroy());
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    const status = refusal(request);
    if (status) return refuseUpgrade(socket, status);
    acceptWebSocket(request, socket, head, { maxMessageBytes: FRAME_MAX_BYTES }).then(
      (webSocket) => accept(webSocket, addresses.get(request.socket) ?? ''),
      () => socket.destroy(),
    );
  });
  // It never listens; Node starts the clock of its request limits with this event.
  http.emit('listening');
  const server = await acceptWithPreamble(path, (socket, peer) => {
    addresses.set(socket, peer.address);
    http.emit('connection', socket);
    socket.resume();
  });
  server.maxConnections = VIEWER_CONNECTIONS_MAX;
  server.once('close', () => http.close());
  return server;
}

function refusal(request: IncomingMessage): 403 | 404 | undefined {
  if (request.url !== '/stream') return 404;
  const { origin, host } = request.headers;
  try {
    return host !== undefined && new URL(origin ?? '').host === new URL(`https://${host}`).host ? undefined : 403;
  } catch {
    return 403;
  }
}
