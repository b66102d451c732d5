/** Before every route of the primary: requests of people who are in a test of the standby are answered by the scratch copy, and by nobody else (B133). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Peer, RequestDoor } from '@bascule/http/http-server.ts';
import { hasCookie } from '@bascule/http/login-cookie.ts';
import type { Log } from '@bascule/log/log.ts';
import { LEAVE_REHEARSAL_PATH, REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { RehearsalCarrier, refuseUpgrade, type TunnelEnd } from './rehearsal-door-carry.ts';
import { answerTestAway } from './rehearsal-door-page.ts';
import { CLEARED_REHEARSAL_COOKIE, type Visit } from './rehearsal-guide-people.ts';

/** Answered here also for people in the test: what the header of each page says, and the way out. */
const ANSWERED_HERE = new Set(['GET /api/whoami/appliance', `GET ${LEAVE_REHEARSAL_PATH}`]);
/** A logout is one from the primary, as long as nobody logged in to the scratch copy itself. */
const LOGOUT = 'POST /api/auth/logout';

export interface RehearsalDoorOptions {
  /** The visit of whoever asks, by both cookies of the request; undefined: none, or not of this login session. */
  visitOf(request: IncomingMessage): Visit | undefined;
  tunnel(to: TunnelEnd): Promise<Duplex>;
  log: Log;
  /** Shorter for tests. */
  silenceMs?: number;
}

export class RehearsalDoor implements RequestDoor {
  readonly #options: RehearsalDoorOptions;
  readonly #carrier: RehearsalCarrier;

  constructor(options: RehearsalDoorOptions) {
    this.#options = options;
    this.#carrier = new RehearsalCarrier(options);
  }

  take(request: IncomingMessage, response: ServerResponse, peer: Peer): boolean {
    if (!hasCookie(request.headers.cookie, REHEARSAL_COOKIE)) return false;
    const visit = this.#options.visitOf(request);
    if (visit === undefined) {
      response.setHeader('set-cookie', CLEARED_REHEARSAL_COOKIE);
      return false;
    }
    if (isAnsweredHere(request, visit)) return false;
    // A service worker would answer for the site long after the test.
    if (request.headers['service-worker'] === undefined) this.#carrier.carry(request, response, peer, visit);
    else answerTestAway(request, response, 'malformed');
    return true;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, peer: Peer): void {
    socket.on('error', () => socket.destroy());
    let visit: Visit | undefined;
    try {
      visit = this.#options.visitOf(request);
    } catch (error) {
      // No route is around an upgrade: nobody else would catch it.
      this.#options.log.error({ err: error }, 'failover.rehearsal-upgrade-failed');
      return refuseUpgrade(socket, 503);
    }
    if (visit === undefined) refuseUpgrade(socket, 503, CLEARED_REHEARSAL_COOKIE);
    else this.#carrier.carryUpgrade(request, socket, head, peer, visit);
  }
}

function isAnsweredHere({ method, url = '' }: IncomingMessage, visit: Visit): boolean {
  const name = `${method} ${url.split('?')[0]}`;
  return ANSWERED_HERE.has(name) || (name === LOGOUT && visit.loginCookie === undefined);
}
