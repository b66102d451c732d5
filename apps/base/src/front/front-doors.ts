import net from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { ACME_ALPN } from './front-acme.ts';
import * as limits from './front-limits.ts';

/** What the web is served with, PEM. */
export interface WebCertificate {
  key: string;
  cert: string;
}

/** How TLS is spoken with browsers; links of clients are none of it. */
export interface TlsOptions {
  minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's names, colon between; absent: Node's. TLS 1.3's are named among them. */
  ciphers?: string;
}

/**
 * TLS with browsers: one server per certificate, none of which listens. Which one takes a connection is decided before its handshake, so a change holds from the next
 * one on and no open connection notices. Session tickets open with the server that gave them alone: nobody resumes into another certificate.
 */
export class Doors {
  readonly #onOpen: (socket: TLSSocket) => void;
  #options: TlsOptions = { minVersion: 'TLSv1.2' };
  /** By certificate and key; the one used last is at the end. */
  readonly #servers = new Map<string, tls.Server>();

  /** `onOpen`: told of each connection whose handshake is done. */
  constructor(onOpen: (socket: TLSSocket) => void) {
    this.#onOpen = onOpen;
  }

  /** From the next handshake on. Throws what OpenSSL says of ciphers that it does not know; the former ones stay then. */
  setOptions(options: TlsOptions): void {
    tls.createSecureContext({ ...options });
    this.#options = { ...options };
    this.#servers.clear();
  }

  /** Does the handshake over `socket`. Throws what OpenSSL says of a certificate that it cannot use. */
  open(socket: net.Socket, certificate: WebCertificate): void {
    const name = `${certificate.cert}${certificate.key}`;
    const server = this.#servers.get(name) ?? this.#make(certificate);
    this.#servers.delete(name);
    this.#servers.set(name, server);
    for (const oldest of this.#servers.keys()) {
      if (this.#servers.size <= limits.DOORS_MAX) break;
      this.#servers.delete(oldest);
    }
    server.emit('connection', socket);
  }

  /** Shows whoever validates a name by TLS-ALPN-01 (RFC 8737) the certificate that answers it; the connection ends with its handshake. */
  answerChallenge(socket: net.Socket, certificate: WebCertificate): void {
    const server = tls.createServer({
      ...certificate,
      ALPNProtocols: [ACME_ALPN],
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.TLS_HANDSHAKE_WAIT_MS,
    });
    server.on('secureConnection', (open) => open.on('error', () => open.destroy()).end());
    server.on('tlsClientError', (_error, open) => open.destroy());
    server.emit('connection', socket);
  }

  #make(certificate: WebCertificate): tls.Server {
    const server = tls.createServer({
      ...certificate,
      ...this.#options,
      // The order of ours is that of strength.
      honorCipherOrder: true,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: limits.TLS_HANDSHAKE_WAIT_MS,
    });
    server.on('secureConnection', (socket) => this.#onOpen(socket));
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  }
}
