import type net from 'node:net';
import { readAlpn, type Wanted } from './front-alpn.ts';

/**
 * Reads the ClientHello of `socket` (wire 1.1) and calls `onHead` once with everything that has arrived by then and what it wants (ALPN, SNI), or
 * without anything when it cannot be a ClientHello. On the way out nothing is read from the kernel any more and the bytes are back in the socket's
 * buffer, so that the socket can be given to a TLS server here or, by its descriptor, to another process: a byte read here after that would be lost
 * to it.
 *
 * That works because the sockets of the front door have a high-water mark of 1 byte: putting the bytes back fills the buffer, which stops the reading
 * before this call returns.
 */
export function collectClientHello(socket: net.Socket, onHead: (head?: Buffer, wanted?: Wanted) => void): void {
  const pieces: Buffer[] = [];
  let length = 0;
  let wantedBytes = 1;
  const collect = (piece: Buffer): void => {
    pieces.push(piece);
    length += piece.length;
    if (length < wantedBytes) return;
    const head = pieces.length === 1 ? piece : Buffer.concat(pieces, length);
    const read = readAlpn(head);
    if (read.kind === 'more') {
      wantedBytes = read.wantedBytes;
      return;
    }
    socket.off('data', collect);
    if (read.kind === 'wrong') return onHead();
    socket.pause();
    socket.unshift(head);
    onHead(head, read);
  };
  socket.on('data', collect);
}
