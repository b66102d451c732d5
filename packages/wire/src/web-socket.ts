/** The only place that knows the `ws` library: accepting and dialling with our settings. Frames are whole binary messages, uncompressed. */
import type { ClientRequestArgs, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';

export type LinkSocket = WebSocket;

/** A TCP connection and a TLS handshake through a proxy take at most this. */
export const DIAL_TIMEOUT_MS = 15_000;
const servers = new Map<number, WebSocketServer>();

/**
 * Answers a WebSocket upgrade. `maxMessageBytes` is the frame limit: a longer message closes the link with 1009 before it is read. Rejects when the request is no proper upgrade (it was
 * answered then).
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: { maxMessageBytes: number },
): Promise<LinkSocket> {
  let server = servers.get(options.maxMessageBytes);
  if (server === undefined) {
    server = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      clientTracking: false,
      maxPayload: options.maxMessageBytes,
    });
    servers.set(options.maxMessageBytes, server);
  }
  setNoDelay(socket);
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the connection closed during the WebSocket upgrade'));
    socket.once('close', closed);
    server.handleUpgrade(request, socket, head, (link) => {
      socket.off('close', closed);
      resolve(link);
    });
  });
}

/** Refuses an upgrade with a plain HTTP answer, and closes. */
export function refuseUpgrade(socket: Duplex, status: 403 | 404 | 503): void {
  const texts = { 403: 'Forbidden', 404: 'Not Found', 503: 'Service Unavailable' };
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 ${status} ${texts[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/**
 * Dials a WebSocket. `createConnection` gives the (TLS) socket: the caller decides about proxies and certificates. `unmasked` leaves the payload as it is (a zero mask): masking exists for
 * plain-text proxies, and inside TLS it would only cost time per byte. The link's errors come as `error` and `close` events.
 */
export function dialWebSocket(options: {
  url: string;
  maxMessageBytes: number;
  createConnection?: ClientRequestArgs['createConnection'];
  headers?: Record<string, string>;
  unmasked?: boolean;
}): LinkSocket {
  const link = new WebSocket(options.url, {
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes,
    handshakeTimeout: DIAL_TIMEOUT_MS,
    followRedirects: false,
    ...(options.createConnection !== undefined && { createConnection: options.createConnection }),
    ...(options.headers !== undefined && { headers: options.headers }),
    ...(options.unmasked === true && { generateMask: (mask: Buffer) => void mask.fill(0) }),
  });
  link.once('upgrade', (response) => setNoDelay(response.socket));
  return link;
}

function setNoDelay(socket: Duplex): void {
  if ('setNoDelay' in socket && typeof socket.setNoDelay === 'function') socket.setNoDelay(true);
}
