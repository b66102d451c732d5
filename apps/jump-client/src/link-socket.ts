import type { TLSSocket } from 'node:tls';
import { LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';
import { WebSocket } from 'ws';

const UPGRADE_LIMIT_MS = 10_000;
/** How long the other side has to answer a close frame. */
const CLOSE_LIMIT_MS = 2000;

/** Makes the WebSocket of wire 3.1 and 4.1 on an open TLS connection. The caller listens before the next turn, so that no message is missed. */
export function openWebSocket(socket: TLSSocket, path: '/link' | '/data', maxMessageBytes: number): WebSocket {
  // A variable, for the published types do not know closeTimeout yet.
  const options = {
    createConnection: () => socket,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    handshakeTimeout: UPGRADE_LIMIT_MS,
    closeTimeout: CLOSE_LIMIT_MS,
    followRedirects: false,
  };
  return new WebSocket(`ws://${LINK_SERVER_NAME}${path}`, options);
}
