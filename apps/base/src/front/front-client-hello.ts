import type net from 'node:net';
import { Readable } from 'node:stream';
import tlsClientHello from 'read-tls-client-hello';
import { CLIENT_HELLO_MAX_BYTES } from './front-limits.ts';

const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_RECORD = 0x16;

/**
 * Reads the first TLS record of `socket` (wire 1.1) and calls `onHead` once with everything that has arrived by then, or with undefined when it cannot
 * be a ClientHello. On the way out nothing is read from the kernel any more and the bytes are back in the socket's buffer, so that the socket can be
 * given to a TLS server here or, by its descriptor, to another process: a byte read here after that would be lost to it.
 *
 * That works because the sockets of the front door have a high-water mark of 1 byte: putting the bytes back fills the buffer, which stops the reading
 * before this call returns.
 */
export function collectClientHello(socket: net.Socket, onHead: (head: Buffer | undefined) => void): void {
  const pieces: Buffer[] = [];
  let length = 0;
  const finish = (head: Buffer | undefined): void => {
    socket.off('data', collect);
    if (head !== undefined) {
      socket.pause();
      socket.unshift(head);
    }
    onHead(head);
  };
  const collect = (piece: Buffer): void => {
    pieces.push(piece);
    length += piece.length;
    const head = pieces.length === 1 ? piece : Buffer.concat(pieces, length);
    if (head[0] !== HANDSHAKE_RECORD) return finish(undefined);
    if (length < RECORD_HEADER_BYTES) return;
    const recordBytes = RECORD_HEADER_BYTES + head.readUInt16BE(3);
    if (recordBytes > CLIENT_HELLO_MAX_BYTES) return finish(undefined);
    if (length >= recordBytes) finish(head);
  };
  socket.on('data', collect);
}

/** The ALPN protocols that the ClientHello in `head` offers, none when it offers none; undefined when it is no ClientHello. */
export async function readAlpn(head: Buffer): Promise<string[] | undefined> {
  try {
    const hello = await tlsClientHello.readTlsClientHello(
      Readable.from([head.subarray(0, RECORD_HEADER_BYTES + head.readUInt16BE(3))], { objectMode: false }),
    );
    return tlsClientHello.getExtensionData(hello, 'alpn')?.protocols ?? [];
  } catch {
    return undefined;
  }
}
