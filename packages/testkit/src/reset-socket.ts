import type { Socket } from 'node:net';

/**
 * Cuts a connection as a network does that is gone: by a reset, not by an orderly end. One whose end is on its way already is closed: a reset of it fails, it is never closed then, and Node, which waits for
 * each handle when it ends, never ends.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
