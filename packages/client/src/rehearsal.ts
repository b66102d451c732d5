import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import type { FromClient, HeldSession, ToClient } from '@bascule/protocol/control-link.ts';
import { REHEARSAL_DATA_ALPN, REHEARSAL_LIFE_MS, REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { systemClocks, type Clocks } from './check-in-clock.ts';
import { ControlLink } from './control-link.ts';
import type { DialTarget, DialTls } from './dial.ts';
import type { Face, FaceSessions, SessionMessage } from './face.ts';

/** Sessions of a test at one time: a few people look at it. */
export const REHEARSAL_SHELLS_MAX = 8;
/** For one try, from the first packet to the end of the handshake. */
const DIAL_LIMIT_MS = 5_000;
/** Without a word the system asks the other end. */
const ALIVE_EVERY_MS = 1_000;
/** A link that broke, or did not come about, is tried so often before the test is given up; each time it was accepted it counts anew. */
export const REHEARSAL_TRIES_MAX = 6;
const BACK_OFF_FIRST_MS = 250;
const BACK_OFF_MAX_MS = 4_000;
/** How often the clocks are looked at: also how much longer a test may last on a machine that slept. */
const LIFE_LOOK_MS = 1_000;
/** How long ending shells may take. */
const END_LIMIT_MS = 2_000;
const REASON_MAX_CHARACTERS = 500;

export type RehearseMessage = Extract<ToClient, { kind: 'rehearse' }>;
export type RehearsalReport = Extract<FromClient, { kind: 'rehearsal-link' }>;
type SiteMessage = Exclude<ToClient, { kind: 'welcome' }>;

/** What a test needs of the client that holds it. */
export interface RehearsalContext {
  face: Pick<Face, 'sessions'>;
  /** Through which this client dials, if any. */
  proxy: DialTarget['proxy'];
  /** With what it proves itself, and whom it trusts: as on its other link, without sessions to resume. */
  tls(): Omit<DialTls, 'alpn'> & { authority: string; certificate: string; key: string };
  hello(sessions: HeldSession[]): FromClient;
  log: Log;
  clocks?: Clocks;
}

/**
 * One test of the standby (wire 3.13): a second control link, to the backup, with sessions of its own, beside the client's link and sessions. Nothing that is said on
 * it changes the client: no settings, certificates, records, addresses, upgrades. It is over when it is told so, when its time is up, when the other end
 * closes or refuses it, or when it cannot be made again.
 */
export class Rehearsal {
  readonly id: string;
  readonly #context: RehearsalContext;
  readonly #target: DialTarget;
  readonly #sessions: FaceSessions;
  readonly #log: Log;
  readonly #clocks: Clocks;
  readonly #began: { wallMs: number; steadyMs: number };
  readonly #backOff: BackOff;
  readonly #stopping = new AbortController();
  readonly #lifeTimer: NodeJS.Timeout;
  readonly #over = Promise.withResolvers<void>();
  #report: (report: RehearsalReport) => void;
  #link: ControlLink | undefined;
  #isAccepted = false;
  #refusal: string | undefined;
  #isEnding = false;
  /** From the beginning. */
  #lifeMs: number;

  /** Dials at once. `report`: tells whoever asked for the test. */
  constructor(context: RehearsalContext, message: RehearseMessage, report: (report: RehearsalReport) => void) {
    this.id = message.rehearsal;
    this.#context = context;
    this.#report = report;
    this.#log = context.log.child({ rehearsal: message.rehearsal });
    const clocks = context.clocks ?? systemClocks;
    this.#clocks = clocks;
    this.#backOff = new BackOff(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS, () => clocks.random());
    this.#began = { wallMs: this.#clocks.wallMs(), steadyMs: this.#clocks.steadyMs() };
    this.#lifeMs = Math.min(message.lifeMs, REHEARSAL_LIFE_MS);
    this.#target = { host: message.host, port: message.port, proxy: context.proxy };
    this.#sessions = context.face.sessions({
      target: () => this.#target,
      tls: () => ({ ...context.tls(), alpn: REHEARSAL_DATA_ALPN, limitMs: DIAL_LIMIT_MS, aliveEveryMs: ALIVE_EVERY_MS }),
      send: (message) => this.#link?.send(message) ?? false,
      log: this.#log,
    });
    this.#lifeTimer = setInterval(() => this.#look(), LIFE_LOOK_MS);
    this.#log.info({ site: this.site }, 'rehearsal-begun');
    void this.#run();
  }

  /** HOST:PORT, for people. */
  get site(): string {
    return `${this.#target.host}:${this.#target.port}`;
  }

  get isConnected(): boolean {
    return this.#isAccepted;
  }

  /** It is over, or about to be. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Settles when nothing of it is left. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  onIdle(listener: () => void): void {
    this.#sessions.onIdle(listener);
  }

  /** The same order again: so long from now, never longer than REHEARSAL_LIFE_MS in all; and `report` is who hears of it. */
  renew(lifeMs: number, report: (report: RehearsalReport) => void): void {
    this.#lifeMs = Math.min(this.#passedMs() + lifeMs, REHEARSAL_LIFE_MS);
    this.#report = report;
    if (this.#isAccepted) this.#say(true);
  }

  /** Ends its shells and its link; nothing else of this client's. `reason`: a sentence. */
  async end(reason: string, limitMs = END_LIMIT_MS): Promise<void> {
    if (this.#isEnding) return this.over;
    this.#isEnding = true;
    clearInterval(this.#lifeTimer);
    this.#link?.send({ kind: 'goodbye' });
    await this.#sessions.endAll(limitMs);
    this.#sessions.close();
    this.#stopping.abort();
    this.#link?.close();
    this.#isAccepted = false;
    this.#say(false, reason);
    this.#log.info({ reason }, 'rehearsal-over');
    this.#over.resolve();
  }

  async #run(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const { reason, isFinal, wasAccepted } = await this.#connectOnce();
      if (this.#isEnding) return;
      if (wasAccepted) {
        tries = 0;
        this.#backOff.reset();
      }
      if (isFinal || tries >= REHEARSAL_TRIES_MAX) return void this.end(reason, 0);
      this.#say(false, reason);
      await delay(this.#backOff.next(), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#isEnding) return;
    }
  }

  /** One link from dialling to its end. `isFinal`: the other end wants no more. */
  async #connectOnce(): Promise<{ reason: string; isFinal: boolean; wasAccepted: boolean }> {
    this.#refusal = undefined;
    try {
      const tls = {
        ...this.#context.tls(),
        alpn: REHEARSAL_LINK_ALPN,
        session: undefined,
        onSession: () => undefined,
        limitMs: DIAL_LIMIT_MS,
        aliveEveryMs: ALIVE_EVERY_MS,
      };
      const events = {
        hello: () => this.#context.hello(this.#sessions.held()),
        message: (message: SiteMessage) => this.#received(message),
        isHurried: () => true,
      };
      this.#link = await ControlLink.open(this.#target, tls, events, this.#stopping.signal);
      if (this.#stopping.signal.aborted) this.#link.close();
      const reason = await this.#link.ended;
      const isFinal = this.#refusal !== undefined || this.#link.wasClosed;
      return { reason: this.#refusal ?? reason, isFinal, wasAccepted: this.#isAccepted };
    } catch (error) {
      return { reason: (error as Error).message, isFinal: false, wasAccepted: false };
    } finally {
      this.#link = undefined;
      this.#isAccepted = false;
      this.#sessions.linkEnded();
    }
  }

  /** What stands here is all that the other end may say. */
  #received(message: SiteMessage): void {
    switch (message.kind) {
      case 'accepted':
        if (this.#isAccepted || this.#isEnding) return;
        this.#isAccepted = true;
        this.#sessions.linkAccepted(false);
        this.#say(true);
        return;
      case 'refused':
        this.#refusal = message.message;
        return;
      case 'session-open':
        if (!this.#isEnding && this.#hasRoomFor(message)) this.#sessions.received(message);
        return;
      case 'ticket':
      case 'session-end':
      case 'session-forget':
        return this.#sessions.received(message);
      case 'rehearsal-over':
        if (message.rehearsal === this.id) void this.end('The standby has ended the test.');
        return;
      default:
        return;
    }
  }

  #hasRoomFor({ session }: Extract<SessionMessage, { kind: 'session-open' }>): boolean {
    if (this.#sessions.size < REHEARSAL_SHELLS_MAX || this.#sessions.held().some((held) => held.session === session)) return true;
    const reason = `This Jump Client already has ${REHEARSAL_SHELLS_MAX} sessions in the test of the standby.`;
    this.#link?.send({ kind: 'session-failed', session, reason });
    return false;
  }

  #look(): void {
    if (this.#passedMs() >= this.#lifeMs) void this.end('The time of the test is up.');
  }

  /** Whichever clock went further counts. */
  #passedMs(): number {
    const { wallMs, steadyMs } = this.#began;
    return Math.max(this.#clocks.wallMs() - wallMs, this.#clocks.steadyMs() - steadyMs);
  }

  #say(connected: boolean, reason?: string): void {
    this.#report({
      kind: 'rehearsal-link',
      rehearsal: this.id,
      connected,
      ...(reason !== undefined && { reason: reason.slice(0, REASON_MAX_CHARACTERS) }),
    });
  }
}
