/** Who is in a test of the standby (B133): the chosen people, and their cookies, each bound to one login session. In memory alone: a restart ends the test. */
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Principal } from '@bascule/http/principal.ts';
import { REHEARSAL_COOKIE, rehearsalCookieValue } from '@bascule/protocol/rehearsal.ts';

const COOKIE_BYTES = 32;
/** Login sessions with which one person may be in the test; one more ends the oldest visit. */
export const VISITS_PER_PERSON_MAX = 5;
/** What is carried for one visit at one time, its event streams and terminals included; more is refused. */
export const CARRIED_PER_VISIT_MAX = 40;
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';
/** `set-cookie` that takes the cookie away again. */
export const CLEARED_REHEARSAL_COOKIE = `${REHEARSAL_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;

/** A person in the test, with one login session. */
export interface Visit {
  readonly userId: string;
  readonly userName: string;
  readonly loginSession: string;
  /** What the scratch copy set as its login cookie, which never reaches the browser; undefined: the browser's own still holds there. Empty: it was cleared. */
  loginCookie: string | undefined;
  /** Tunnels that are open for it now; cut when the visit ends. */
  readonly carried: Set<Duplex>;
  /** Tunnels that are being opened for it, or wait for their turn. */
  opening: number;
  /** Nothing is carried for it any more. */
  isOver: boolean;
}

/** Of a request's person: what of a principal matters here. */
export type Visitor = Pick<Principal, 'id' | 'name' | 'role' | 'loginSession'>;
type Role = Principal['role'] | undefined;

export class RehearsalPeople {
  /** By the SHA-256 of the cookie's value; the oldest first. */
  readonly #visits = new Map<string, Visit>();
  /** With the role that each has in the scratch copy. */
  #chosen: ReadonlyMap<string, Role> = new Map();

  /** From now on these people may enter, by id, for as long as they have this role; nobody else may. */
  admit(chosen: ReadonlyMap<string, Role>): void {
    this.close();
    this.#chosen = new Map(chosen);
  }

  isChosen({ id, role }: Pick<Visitor, 'id' | 'role'>): boolean {
    return this.#chosen.get(id) === role;
  }

  /** The `set-cookie` with which `person` is in the test; undefined when they may not. */
  enter(person: Visitor): string | undefined {
    if (!this.isChosen(person)) return undefined;
    const { id, name, loginSession } = person;
    const mine = [...this.#visits].filter(([, visit]) => visit.userId === id);
    const others = mine.filter(([, visit]) => visit.loginSession !== loginSession);
    const surplus = others.slice(0, Math.max(0, others.length - VISITS_PER_PERSON_MAX + 1));
    for (const [hash, visit] of mine) if (visit.loginSession === loginSession) this.#end(hash);
    for (const [hash] of surplus) this.#end(hash);
    const value = randomBytes(COOKIE_BYTES).toString('base64url');
    const visit: Visit = {
      userId: id,
      userName: name,
      loginSession,
      loginCookie: undefined,
      carried: new Set(),
      opening: 0,
      isOver: false,
    };
    this.#visits.set(hashOf(value), visit);
    return `${REHEARSAL_COOKIE}=${value}; ${ATTRIBUTES}`;
  }

  /** The visit of a cookie's value, if it is of this very login session. */
  find(value: string | undefined, loginSession: string | undefined): Visit | undefined {
    if (loginSession === undefined || !rehearsalCookieValue.safeParse(value).success) return undefined;
    const visit = this.#visits.get(hashOf(value ?? ''));
    return visit?.loginSession === loginSession ? visit : undefined;
  }

  /** Whether any visit has this value, whoever asks: for leaving, which is harmless. */
  leave(value: string | undefined): Visit | undefined {
    if (!rehearsalCookieValue.safeParse(value).success) return undefined;
    return this.#end(hashOf(value ?? ''));
  }

  /** These login sessions are over, and so are their visits. */
  loginSessionsEnded(ids: readonly string[]): void {
    for (const [hash, { loginSession }] of this.#visits) if (ids.includes(loginSession)) this.#end(hash);
  }

  /** Roles may have changed. Who has another than in the scratch copy could do there what they may not do any more. */
  rolesChanged(roleOf: (userId: string) => Role): void {
    this.#chosen = new Map([...this.#chosen].filter(([id, role]) => roleOf(id) === role));
    for (const [hash, { userId }] of this.#visits) if (!this.#chosen.has(userId)) this.#end(hash);
  }

  /** Nobody is in the test any more, and nobody may enter. */
  close(): void {
    this.#chosen = new Map();
    this.endVisits();
  }

  /** Nobody is in the test now; the chosen may enter anew. */
  endVisits(): void {
    for (const hash of this.#visits.keys()) this.#end(hash);
  }

  #end(hash: string): Visit | undefined {
    const visit = this.#visits.get(hash);
    this.#visits.delete(hash);
    if (visit === undefined) return undefined;
    visit.isOver = true;
    for (const socket of visit.carried) socket.destroy();
    return visit;
  }
}

function hashOf(value: string): string {
  return createHash('sha256').update(value).digest('hex');
}
