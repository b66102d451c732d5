import type { TLSSocket } from 'node:tls';
import { LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';
import { dialWebSocket, type LinkSocket } from '@bascule/wire/web-socket.ts';

export type { LinkSocket } from '@bascule/wire/web-socket.ts';

/** Makes the WebSocket of wire 3.1 and 4.1 on an open TLS connection. The caller listens before the next turn, so that no message is missed. */
export function openWebSocket(socket: TLSSocket, path: '/link' | '/data', maxMessageBytes: number): LinkSocket {
  return dialWebSocket({
    url: `ws://${LINK_SERVER_NAME}${path}`,
    maxMessageBytes,
    createConnection: () => socket,
    unmasked: true,
  });
}
