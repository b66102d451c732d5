/**
 * 'Test the standby' with people and clients, as the primary leads it (B133; docs/decisions/0255): who is in it, what is audited of it, and what it comes to. A backup
 * passes on what is asked of it.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import { isBackground } from '@bascule/http/http-server.ts';
import { readCookie } from '@bascule/http/login-cookie.ts';
import type { Principal } from '@bascule/http/principal.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ApplianceHeader, RehearsalChoices, RehearsalRequest, RehearsalState } from '@bascule/protocol/api/failover.ts';
import {
  REHEARSAL_LIFE_MS,
  REHEARSAL_TUNNEL_PATH,
  REHEARSAL_TUNNEL_PROTOCOL,
  rehearsalAnswer,
  type RehearsalAnswer,
  type RehearsalOrder,
  type RehearsalReport,
} from '@bascule/protocol/rehearsal.ts';
import { SYSTEM, type AuditEvent, type Context } from '@bascule/store/store.ts';
import { SITE_COOKIE } from '../../identity/identity.ts';
import type { RehearsalMessage } from '../../jump/jump.ts';
import { changeAtPrimary, noPair, peerRefused, peerUnreachable } from '../failover-errors.ts';
import { RehearsalDoor } from './rehearsal-door.ts';
import { rehearsalCookieOf } from './rehearsal-door-headers.ts';
import { RehearsalEnds } from './rehearsal-guide-ends.ts';
import { rehearsalClientsUnable, rehearsalRunning, rehearsalUserUnknown } from './rehearsal-guide-errors.ts';
import { rehearsalBegun, rehearsalEntered, rehearsalLeft } from './rehearsal-guide-events.ts';
import { lookAtName } from './rehearsal-guide-name.ts';
import { RehearsalPeople, type Visit, type Visitor } from './rehearsal-guide-people.ts';
import { LedRehearsal, type Chosen, type RehearsalTiming } from './rehearsal-guide-run.ts';
import type { Pair } from '../pair.ts';

const ID_BYTES = 16;
const ORDER_LIMIT_MS = 10_000;
/** What a page can offer to choose from. */
const CHOICES_MAX = 1000;

type PeerQuestion = Extract<RehearsalOrder, { kind: 'ask-begin' | 'ask-end' | 'ask-choices' }>;

/** What the primary's site gives to a test of its standby. */
export interface RehearsalSite {
  /** Who may log in. */
  people(): Chosen[];
  roleOf(userId: string): Principal['role'] | undefined;
  /** Approved Jump Clients; `online`: connected, and able to take part. */
  clients(): { id: string; name: string; online: boolean }[];
  /** The principal of a login cookie's value. */
  personOf(loginCookie: string | undefined, isBackground: boolean): Principal | undefined;
  /** Tells a client; false when it cannot be told. */
  rehearse(clientId: string, message: RehearsalMessage): boolean;
  audit(context: Context, event: AuditEvent): void;
}

export interface RehearsalGuideOptions {
  pair(): Pair | undefined;
  /** Of whoever serves people and clients here; undefined at a backup. */
  site(): RehearsalSite | undefined;
  /** The name that people use, and all names, without ports; the key that the web is served with, SHA-256 in base64. */
  names(): { publicHost: string; publicPort: number; hosts: string[]; webKeyPin: string };
  changed(): void;
  log: Log;
  now(): number;
  /** Shorter for tests. */
  timing?: RehearsalTiming | undefined;
}

export class RehearsalGuide {
  readonly door: RehearsalDoor;
  readonly #options: RehearsalGuideOptions;
  readonly #people = new RehearsalPeople();
  readonly #ends: RehearsalEnds;
  #run: LedRehearsal | undefined;
  #standby = '';
  /** One that is over, as the page shows it. */
  #last: RehearsalState | undefined;
  #ender: Context | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: RehearsalGuideOptions) {
    this.#options = options;
    const { log } = options;
    this.door = new RehearsalDoor({
      visitOf: (request) => this.#visitOf(request),
      tunnel: async (to) => {
        const { dial } = this.#pair().parts;
        const query = `rehearsal=${this.#run?.id ?? ''}&to=${to}`;
        return await dial.tunnel(`${REHEARSAL_TUNNEL_PATH}?${query}`, REHEARSAL_TUNNEL_PROTOCOL);
      },
      log,
    });
    this.#ends = new RehearsalEnds({
      pair: () => options.pair(),
      audit: (context, event) => options.site()?.audit(context, event),
      canAudit: () => options.site() !== undefined,
      say: async (order) => await this.#say(order),
      isRunning: () => this.#run !== undefined,
      log,
    });
  }

  /** As the page of this side shows it; undefined: none since the start. */
  get state(): RehearsalState | undefined {
    return this.#run?.state ?? this.#last;
  }

  /** Whether the page has the button. */
  get canBegin(): boolean {
    const pair = this.#options.pair();
    if (pair === undefined || this.#ends.isOpen !== (this.#run !== undefined)) return false;
    return pair.parts.records.isActive && pair.parts.watch.isReachable;
  }

  /** Begins to bring tests to their end that an earlier start left. */
  start(): void {
    this.#ends.start();
  }

  /** The test ends, without anybody waiting for what it came to: the next start finds out. */
  close(): void {
    this.#people.close();
    this.#ends.close();
    this.#run?.end('The primary was stopped or started anew.');
  }

  /** Roles or the relationship may have changed. */
  look(): void {
    if (this.#run === undefined) return;
    if (this.#options.site() === undefined || this.#options.pair()?.parts.records.isActive !== true) {
      this.#people.close();
      this.#run.end('The roles or the relationship changed.');
    }
  }

  /**
   * Begins a test on behalf of `context`, who manages the pair; a backup asks its primary to. Throws `FAILOVER_NO_PAIR`, `FAILOVER_PEER_UNREACHABLE`, `REHEARSAL_RUNNING`,
   * `REHEARSAL_USER_UNKNOWN`, `REHEARSAL_CLIENTS_UNABLE`, and what the backup refuses.
   */
  async begin(context: Context, request: RehearsalRequest): Promise<void> {
    const { parts } = this.#pair();
    if (!parts.records.isActive) throw noPair();
    const site = this.#options.site();
    if (site === undefined) return void (await this.#say({ kind: 'ask-begin', ...request, by: by(context) }));
    if (this.#run !== undefined || this.#ends.isOpen) throw rehearsalRunning();
    const { users, clients } = choose(site, request);
    if (!parts.watch.isReachable) throw peerUnreachable();
    const id = randomBytes(ID_BYTES).toString('hex');
    this.#standby = parts.records.peer?.name ?? '';
    const run = this.#newRun(id, users, clients);
    this.#run = run;
    try {
      const named = { people: namesOf(users), clients: namesOf(clients) };
      site.audit(context, rehearsalBegun({ rehearsal: id, standby: this.#standby, ...named }));
      this.#ends.note({ id, standby: this.#standby });
      const { publicHost, publicPort, hosts } = this.#options.names();
      const names = { publicHost, publicPort, hosts };
      await this.#say({ kind: 'begin', rehearsal: id, users, clients, lifeMs: REHEARSAL_LIFE_MS, names, by: context.actor.name });
    } catch (error) {
      this.#run = undefined;
      this.#settle(context, error instanceof AppError ? error.message : 'The backup did not begin it.');
      throw error;
    }
    this.#ender = undefined;
    this.#ended = this.#lead(run);
    this.#options.changed();
  }

  /** Ends the test, if there is one; a backup asks its primary to. Resolves when nobody is in it any more. */
  async end(context: Context): Promise<void> {
    if (this.#options.site() === undefined) return void (await this.#say({ kind: 'ask-end', by: by(context) }));
    if (this.#run === undefined) return;
    this.#ender = context;
    this.#people.close();
    this.#run.end(`${context.actor.name} ended it.`);
    await this.#ended;
  }

  /** Who may be chosen; a backup asks its primary. */
  async choices(): Promise<RehearsalChoices> {
    const site = this.#options.site();
    if (site !== undefined) return choicesOf(site);
    const { choices } = await this.#ask({ kind: 'ask-choices' });
    if (choices === undefined) throw peerRefused(undefined, undefined);
    return choices;
  }

  /** What the other side asks, which is the backup then. Never throws. */
  async peerAsks(question: PeerQuestion): Promise<RehearsalAnswer> {
    try {
      const site = this.#options.site();
      if (site === undefined) throw changeAtPrimary(null);
      if (question.kind === 'ask-choices') return { ok: true, choices: choicesOf(site) };
      // Who they are there was copied from here: what they may do, and how they are called, is looked at here.
      const person = site.people().find(({ id }) => id === question.by.id);
      if (person === undefined || site.roleOf(person.id) !== 'administrator') throw notFound();
      const context: Context = { actor: { kind: 'user', id: person.id, name: person.name }, address: '' };
      if (question.kind === 'ask-end') await this.end(context);
      else await this.begin(context, { users: question.users, clients: question.clients });
      return { ok: true };
    } catch (error) {
      if (!(error instanceof AppError)) this.#options.log.error({ err: error }, 'failover.rehearsal-question-failed');
      const { code, message } = error instanceof AppError ? error : peerRefused(undefined, undefined);
      return { ok: false, code, message: message.slice(0, 500) };
    }
  }

  /** Lets `person` in: gives the `set-cookie` with which they are. Throws NOT_FOUND, the same without a test and for whoever is not chosen. */
  enter(context: Context, person: Visitor): string {
    if (this.#run?.isOpen !== true || !this.#people.isChosen(person)) throw notFound();
    this.#options.site()?.audit(context, rehearsalEntered({ rehearsal: this.#run.id, standby: this.#standby }));
    const cookie = this.#people.enter(person);
    if (cookie === undefined) throw notFound();
    return cookie;
  }

  /** Whoever bears this cookie is in the test no more. Harmless with any other. */
  leave(request: IncomingMessage, address: string): void {
    const visit = this.#people.leave(rehearsalCookieOf(request.headers.cookie));
    if (visit === undefined || this.#run === undefined) return;
    const actor = { kind: 'user', id: visit.userId, name: visit.userName } as const;
    this.#options.site()?.audit({ actor, address }, rehearsalLeft({ rehearsal: this.#run.id, standby: this.#standby }));
  }

  /** What the header of `person`'s pages says of a test that they are chosen for; undefined: nothing. */
  headerOf(person: Visitor, request: IncomingMessage): ApplianceHeader['rehearsal'] {
    if (this.#run?.isOpen !== true || !this.#people.isChosen(person)) return undefined;
    const isInside = this.#people.find(rehearsalCookieOf(request.headers.cookie), person.loginSession) !== undefined;
    return { place: isInside ? 'inside' : 'offered', standby: this.#standby, endsAtMs: this.#run.endsAtMs };
  }

  /** Whoever serves here ends, and is not held up by what is carried for people in the test. */
  servingEnds(): void {
    this.#people.endVisits();
  }

  /** Somebody has another role now, or none. */
  rolesChanged(): void {
    this.#people.rolesChanged((userId) => this.#options.site()?.roleOf(userId));
  }

  /** These login sessions of the site are over. */
  loginSessionsEnded(ids: readonly string[]): void {
    this.#people.loginSessionsEnded(ids);
  }

  /** A client's link to the primary came: one that is in the test hears of it again. */
  clientCame(clientId: string): void {
    this.#run?.clientCame(clientId);
  }

  /** A client says whether its second link stands. */
  clientSaid(clientId: string, said: { rehearsal: string; connected: boolean; reason?: string | undefined }): void {
    if (said.rehearsal === this.#run?.id) this.#run.clientSaid(clientId, said.connected, said.reason);
  }

  /** Both cookies count: one that was stolen without the other opens nothing. */
  #visitOf(request: IncomingMessage): Visit | undefined {
    if (this.#run?.isOpen !== true) return undefined;
    const { cookie } = request.headers;
    const value = rehearsalCookieOf(cookie);
    if (value === undefined) return undefined;
    const person = this.#options.site()?.personOf(readCookie(cookie, SITE_COOKIE), isBackground(request));
    return person?.state === 'ok' ? this.#people.find(value, person.loginSession) : undefined;
  }

  async #lead(run: LedRehearsal): Promise<void> {
    const reason = await run.lead();
    this.#people.close();
    const { id } = run;
    for (const { id: client } of run.clients) this.#options.site()?.rehearse(client, { kind: 'rehearsal-over', rehearsal: id });
    this.#last = run.state;
    this.#run = undefined;
    this.#options.changed();
    this.#settle(this.#ender ?? SYSTEM, reason);
  }

  /** Goes on by itself: whoever ends a test waits for nothing that the backup writes down. */
  #settle(context: Context, reason: string): void {
    this.#ends.settle(context, reason).then(this.#options.changed, (error: unknown) => {
      this.#options.log.info({ err: error }, 'failover.rehearsal-not-settled');
    });
  }

  #newRun(id: string, users: Chosen[], clients: Chosen[]): LedRehearsal {
    const { log, now, changed, names, timing } = this.#options;
    const lifeMs = REHEARSAL_LIFE_MS;
    const peer = () => this.#pair().parts.records.peer;
    // As they are in the copy that is made now.
    const roles = new Map(users.map((user) => [user.id, this.#options.site()?.roleOf(user.id)]));
    return new LedRehearsal({
      id,
      users,
      clients,
      lifeMs,
      say: async (order) => await this.#say(order),
      lookAtName: async () => {
        const endpoint = peer()?.endpoint;
        if (endpoint === undefined) throw noPair();
        return await lookAtName(endpoint, names().publicHost, names().webKeyPin);
      },
      tellClient: (client) => {
        const endpoint = peer()?.endpoint;
        if (endpoint === undefined) return false;
        const leftMs = Math.max(1, this.#run === undefined ? 1 : Math.min(lifeMs, this.#run.endsAtMs - now()));
        return this.#options.site()?.rehearse(client, { kind: 'rehearse', rehearsal: id, ...endpoint, lifeMs: leftMs }) === true;
      },
      opened: () => this.#people.admit(roles),
      tested: (fault) => this.#options.pair()?.alarms.rehearsed(fault),
      changed,
      log,
      now,
      timing,
    });
  }

  async #say(order: RehearsalOrder): Promise<RehearsalReport | undefined> {
    return (await this.#ask(order)).report;
  }

  async #ask(order: RehearsalOrder): Promise<Extract<RehearsalAnswer, { ok: true }>> {
    const { dial } = this.#pair().parts;
    const { status, body } = await dial.request('POST', '/rehearsal', order, { timeoutMs: ORDER_LIMIT_MS });
    const answer = rehearsalAnswer.safeParse(body);
    if (status === 404) throw tooOld();
    if (status !== 200 || !answer.success) throw peerRefused(undefined, undefined);
    if (!answer.data.ok) throw peerRefused(answer.data.code, answer.data.message);
    return answer.data;
  }

  #pair(): Pair {
    const pair = this.#options.pair();
    if (pair === undefined) throw noPair();
    return pair;
  }
}

/** The people and clients of `request` by name, each once. */
function choose(site: RehearsalSite, { users, clients }: RehearsalRequest): { users: Chosen[]; clients: Chosen[] } {
  const people = new Map(site.people().map((person) => [person.id, person]));
  const chosenUsers = [...new Set(users)].flatMap((id) => people.get(id) ?? []);
  if (chosenUsers.length < new Set(users).size) throw rehearsalUserUnknown();
  const known = new Map(site.clients().map((client) => [client.id, client]));
  const wanted = [...new Set(clients)].map((id) => known.get(id) ?? { id, name: id, online: false });
  const unable = wanted.filter(({ online }) => !online);
  if (unable.length > 0) throw rehearsalClientsUnable(unable.map(({ name }) => name));
  return { users: chosenUsers, clients: wanted.map(({ id, name }) => ({ id, name })) };
}

/** Those that can take part come first. */
function choicesOf(site: RehearsalSite): RehearsalChoices {
  const clients = site.clients().sort((one, other) => Number(other.online) - Number(one.online));
  return { users: site.people().slice(0, CHOICES_MAX), clients: clients.slice(0, CHOICES_MAX) };
}

function by({ actor }: Context): { id: string; name: string } {
  return { id: actor.id ?? '', name: actor.name };
}

function namesOf(chosen: Chosen[]): string {
  return chosen.map(({ name }) => name).join(', ');
}

function tooOld(): AppError {
  return new AppError(
    'conflict',
    'REHEARSAL_PEER_TOO_OLD',
    'The other appliance is too old for a test with people: upgrade it first.',
  );
}
