import { once } from 'node:events';
import { Agent, type AgentOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity, connect, getCACertificates, type TLSSocket } from 'node:tls';
import { ConsoleError, ExitCode } from './exit-code.ts';
import type { SitePlaces } from './site-places.ts';
import { shownOf, type ShownCertificate } from './site-trust.ts';

/** From the first packet to the end of the TLS handshake. */
export const CONNECT_LIMIT_MS = 15_000;
/** A connection that nobody used for so long is closed: what is behind it may be gone. */
const IDLE_LIMIT_MS = 20_000;
/** The same, from packet to handshake, while the site may be elsewhere. */
const CONNECT_SHARED_LIMIT_MS = 5_000;
/** After so long a silence the system asks the other end, and gives the connection up when it does not answer. */
const ALIVE_EVERY_MS = 1_000;
const ALIVE_TRIES = 5;

/** No connection came about: nothing was sent. */
export class NotConnected extends Error {}

type Connected = (error: Error | null, stream: Duplex) => void;

/**
 * Connections to one site. Nothing is sent over a connection before `admit` has taken its certificate: it throws when it does not.
 */
export class SiteAgent extends Agent {
  readonly #site: URL;
  readonly #places: SitePlaces;
  readonly #admit: (shown: ShownCertificate) => Promise<void>;

  /** Connects to where `places` says; the name that is asked for, and looked for in the certificate, is always that of `site`. */
  constructor(site: URL, places: SitePlaces, admit: (shown: ShownCertificate) => Promise<void>) {
    super({ keepAlive: true, timeout: IDLE_LIMIT_MS } satisfies AgentOptions);
    this.#site = site;
    this.#places = places;
    this.#admit = admit;
  }

  override createConnection(_options: unknown, callback?: Connected): undefined {
    void this.#connect(callback);
  }

  async #connect(callback?: Connected): Promise<void> {
    let socket;
    try {
      socket = await this.#open();
    } catch (error) {
      // Node's types want a stream beside the error; Node itself does not.
      callback?.(error instanceof Error ? error : new Error(String(error)), undefined as unknown as Duplex);
      return;
    }
    callback?.(null, socket);
  }

  async #open(): Promise<TLSSocket> {
    let { socket, shown } = await this.#handshake(false);
    try {
      if (shown.problem !== undefined) {
        // The operating system may know authorities that Node does not bring; reading them takes a tenth of a second, so only now.
        socket.destroy();
        ({ socket, shown } = await this.#handshake(true));
      }
      await this.#admit(shown);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  async #handshake(withSystem: boolean): Promise<{ socket: TLSSocket; shown: ShownCertificate }> {
    const name = this.#site.hostname.replace(/^\[|\]$/g, '');
    const { host, port } = this.#places.now;
    const { areSeveral } = this.#places;
    const socket = connect({
      host,
      port,
      ...(isIP(name) === 0 && { servername: name }),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      ALPNProtocols: ['http/1.1'],
      // Looked at here, before anything is sent.
      rejectUnauthorized: false,
      ...(withSystem && { ca: [...getCACertificates('default'), ...getCACertificates('system')] }),
    });
    socket.setNoDelay(true);
    if (areSeveral) socket.setKeepAlive(true, ALIVE_EVERY_MS, ALIVE_EVERY_MS, ALIVE_TRIES);
    const limitMs = areSeveral ? CONNECT_SHARED_LIMIT_MS : CONNECT_LIMIT_MS;
    try {
      await once(socket, 'secureConnect', { signal: AbortSignal.timeout(limitMs) });
    } catch (error) {
      socket.destroy();
      throw notConnected(error as NodeJS.ErrnoException);
    }
    // Errors from here on come to whoever uses the socket.
    socket.on('error', () => {});
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      socket.destroy();
      throw new ConsoleError(ExitCode.certificate, `${this.#site.origin} showed no certificate.`);
    }
    const problem = socket.authorized ? undefined : String(socket.authorizationError);
    return { socket, shown: shownOf(certificate, problem) };
  }
}

function notConnected(error: NodeJS.ErrnoException): Error {
  const { code, message, name } = error;
  return Object.assign(new NotConnected(message, { cause: error }), { code: name === 'AbortError' ? 'ABORT_ERR' : code });
}
