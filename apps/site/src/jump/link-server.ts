import { createServer, type Server } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Log } from '@bascule/log/log.ts';
import { ENROL_SERVER_NAME, LINK_ALPN } from '@bascule/protocol/control-link.ts';
import type { LinkTls } from './site-identity.ts';

const HANDSHAKE_LIMIT_MS = 10_000;
const REQUEST_HEAD_LIMIT_BYTES = 8 * 1024;
/** Sessions may be resumed for this long; whoever was revoked meanwhile is refused at `hello` all the same. */
const TLS_SESSION_LIFE_S = 12 * 60 * 60;

/** What `setSecureContext` needs whole: with less of it, sessions of before could not be resumed. */
function linkContext(tls: LinkTls, ticketKeys: Buffer) {
  return {
    key: tls.key,
    cert: tls.certificate,
    ca: tls.authority,
    minVersion: 'TLSv1.3',
    ticketKeys,
    sessionIdContext: 'bascule-link',
    sessionTimeout: TLS_SESSION_LIFE_S,
  } as const;
}

/** What is shown to a client that asks for `enrol.bascule.internal`: the identity that its token pins must be in the chain (wire 3.3). */
function enrolContext(tls: LinkTls, ticketKeys: Buffer): SecureContext {
  return createSecureContext({ ...linkContext(tls, ticketKeys), cert: tls.enrolCertificate });
}

const enrolContexts = new WeakMap<Server, SecureContext>();

/** New connections get this certificate; those that stand keep theirs. */
export function setLinkTls(server: Server, tls: LinkTls, ticketKeys: Buffer): void {
  server.setSecureContext(linkContext(tls, ticketKeys));
  enrolContexts.set(server, enrolContext(tls, ticketKeys));
}

/**
 * The TLS and HTTP side of control links (wire 3.1); it does not listen, connections are handed to it. The caller takes `upgrade` and `request`. Who has not asked for one within
 * `requestLimitMs` of the handshake is dropped. `alpn`: another than that of control links, for a test of the standby.
 */
export function createLinkServer(
  tls: LinkTls,
  ticketKeys: Buffer,
  log: Log,
  { alpn = LINK_ALPN, requestLimitMs = HANDSHAKE_LIMIT_MS }: { alpn?: string | undefined; requestLimitMs?: number } = {},
): Server {
  const server: Server = createServer({
    ...linkContext(tls, ticketKeys),
    SNICallback: (name, callback) => callback(null, name === ENROL_SERVER_NAME ? enrolContexts.get(server) : undefined),
    ALPNProtocols: [alpn],
    requestCert: true,
    // Checked at the upgrade, where it can be audited.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_LIMIT_MS,
    headersTimeout: requestLimitMs,
    requestTimeout: requestLimitMs,
    connectionsCheckingInterval: requestLimitMs / 2,
    maxHeaderSize: REQUEST_HEAD_LIMIT_BYTES,
    keepAlive: false,
    noDelay: true,
  });
  enrolContexts.set(server, enrolContext(tls, ticketKeys));
  server.on('tlsClientError', (error, socket) => {
    log.debug({ err: error.message, address: socket.remoteAddress }, 'link-handshake-failed');
    socket.destroy();
  });
  // It never listens; Node starts the clock of its request limits with this event.
  server.emit('listening');
  return server;
}
