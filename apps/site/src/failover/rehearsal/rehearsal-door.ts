/** Before every route of the primary: requests of people who are in a test of the standby are answered by the scratch copy, and by nobody else (B133). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Peer, RequestDoor } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import { LEAVE_REHEARSAL_PATH } from '@bascule/protocol/rehearsal.ts';
import { RehearsalCarrier, refuseUpgrade, type TunnelEnd } from './rehearsal-door-carry.ts';
import { bearsRehearsalCookie } from './rehearsal-door-headers.ts';
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
    if (!bearsRehearsalCookie(request.headers.cookie)) return false;
    const visit = this.#options.visitOf(request);
    if (visit === undefined) {
      response.setHeader('set-cookie', CLEARED_REHEARSAL_COOKIE);
      return false;
    }
    if (isAnsweredHere(request, visit)) return false;
    this.#carrier.carry(request, response, peer, visit);
    return true;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, peer: Peer): void {
    socket.on('error', () => socket.destroy());
    const visit = this.#options.visitOf(request);
    if (visit === undefined) refuseUpgrade(socket, 503, CLEARED_REHEARSAL_COOKIE);
    else this.#carrier.carryUpgrade(request, socket, head, peer, visit);
  }
}

function isAnsweredHere({ method, url = '' }: IncomingMessage, visit: Visit): boolean {
  const name = `${method} ${url.split('?')[0]}`;
  return ANSWERED_HERE.has(name) || (name === LOGOUT && visit.loginCookie === undefined);
}
