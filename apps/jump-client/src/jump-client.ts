import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { must } from '@bascule/core/must.ts';
import type { Log } from '@bascule/log/log.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { PROTOCOL_VERSIONS, type FromClient, type ToClient } from '@bascule/protocol/control-link.ts';
import type { ClientHome, StoredIdentity } from '@bascule/client/client-home.ts';
import { ControlLink } from '@bascule/client/control-link.ts';
import { RefusedError, WrongIdentityError, enrol } from '@bascule/client/enrol.ts';
import { readFacts } from '@bascule/client/facts.ts';
import { UsageError } from '@bascule/client/usage-error.ts';
import type { ClientOptions } from './options.ts';
import { SaidSeldom } from '@bascule/client/said-seldom.ts';
import { Sessions } from './sessions.ts';

/** wire 3.8 */
const BACK_OFF_FIRST_MS = 1000;
const BACK_OFF_WITH_SESSIONS_FIRST_MS = 250;
const BACK_OFF_MAX_MS = 60_000;
const BACK_OFF_WITH_SESSIONS_MAX_MS = 2_000;
/** How long ending shells may take when the client stops, before they are killed. */
const STOP_LIMIT_MS = 2000;
/** The same refusal is said again after this at the earliest. */
const REFUSAL_SAID_EVERY_MS = 60 * 60_000;

/** After a planned break: the pauses between tries, and for how long they stay so short. base holds a connection until the site is there. */
const RETURN_FIRST_MS = 20;
const RETURN_MAX_MS = 250;
const RETURN_LIMIT_MS = 10_000;

type Refused = Extract<ToClient, { kind: 'refused' }>;
type ComeBack = Extract<ToClient, { kind: 'come-back' }>;

/** The Jump Client: enrols once, then keeps one control link and the shells that are opened through it. */
export class JumpClient {
  #options: ClientOptions;
  #home: ClientHome;
  #log: Log;
  #stopping = new AbortController();
  /** Made anew at each start: tells a reconnect from a second copy of this identity (wire 3.5). */
  #instance = randomBytes(16).toString('hex');
  #identity: StoredIdentity | undefined;
  #sessions: Sessions;
  #link: ControlLink | undefined;
  #tlsSession: Buffer | undefined;
  /** Of data links: when the relay was replaced, all sessions dial at once, and full handshakes would be most of the wait. */
  #dataTlsSession: Buffer | undefined;
  #windows = { windowMs: 0, withSessionsWindowMs: 0 };
  #refused: Refused | undefined;
  #refusalSaid = new SaidSeldom(REFUSAL_SAID_EVERY_MS);
  #accepted = false;
  /** The appliance has said when to come back; until the first try. */
  #comeBack: ComeBack | undefined;
  /** Until then tries follow each other quickly. */
  #returnUntilMs = 0;
  #returnPauses = new BackOff(RETURN_FIRST_MS, RETURN_MAX_MS);
  #backOff = new BackOff(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
  #backOffWithSessions = new BackOff(BACK_OFF_WITH_SESSIONS_FIRST_MS, BACK_OFF_WITH_SESSIONS_MAX_MS);

  constructor(options: ClientOptions, home: ClientHome, log: Log) {
    this.#options = options;
    this.#home = home;
    this.#log = log;
    this.#sessions = new Sessions({
      target: options,
      tls: () => {
        const identity = must(this.#identity, 'identity of an accepted client');
        return {
          authority: identity.authority,
          certificate: identity.certificate,
          key: home.keyPem,
          ...(this.#dataTlsSession && { session: this.#dataTlsSession }),
          onSession: (session: Buffer) => (this.#dataTlsSession = session),
          onFailed: () => (this.#dataTlsSession = undefined),
        };
      },
      send: (message) => this.#link?.send(message) ?? false,
      log,
    });
  }

  /** Runs until `stop`, or (with `--once`) until the link ends. Throws UsageError when only a person can help. */
  async run(): Promise<void> {
    this.#identity = this.#home.identity() ?? (await this.#enrolWithRetries());
    while (!this.#stopping.signal.aborted && !this.#options.enrolOnly && this.#identity !== undefined) {
      const reached = await this.#connectOnce(this.#identity);
      if (this.#options.once) break;
      await this.#pause(this.#waitMs(reached));
    }
  }

  /** Says goodbye, ends the shells and lets `run` return. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#log.info({ sessions: this.#sessions.size }, 'stopping');
    this.#link?.send({ kind: 'goodbye' });
    await this.#sessions.endAll(STOP_LIMIT_MS);
    this.#stopping.abort();
    this.#link?.close();
  }

  async #enrolWithRetries(): Promise<StoredIdentity | undefined> {
    const { token, name } = this.#options;
    if (token === undefined)
      throw new UsageError('This client is not enrolled yet: give an installer token with --token (an administrator makes one).');
    while (!this.#stopping.signal.aborted) {
      try {
        return await enrol({
          target: this.#options,
          token,
          home: this.#home,
          name,
          facts: readFacts(),
          log: this.#log,
          signal: this.#stopping.signal,
        });
      } catch (error) {
        if (error instanceof WrongIdentityError) throw new UsageError(error.message);
        if (error instanceof RefusedError && error.code !== 'busy')
          throw new UsageError(`The appliance refused to enrol this client: ${error.message}`);
        if (this.#options.once) throw new UsageError(`The appliance cannot be reached: ${(error as Error).message}`);
        this.#log.warn({ reason: (error as Error).message }, 'enrolment-failed');
        await this.#pause(this.#backOff.next());
      }
    }
    return undefined;
  }

  /** One link from dialling to its end; whether the appliance accepted or refused (so was reached). */
  async #connectOnce(identity: StoredIdentity): Promise<boolean> {
    this.#accepted = false;
    this.#refused = undefined;
    const tls = {
      authority: identity.authority,
      key: this.#home.keyPem,
      certificate: identity.certificate,
      session: this.#tlsSession,
      onSession: (session: Buffer) => (this.#tlsSession = session),
    };
    try {
      const events = {
        hello: () => this.#hello(),
        message: (message: Exclude<ToClient, { kind: 'welcome' }>) => this.#received(message),
      };
      this.#link = await ControlLink.open(this.#options, tls, events, this.#stopping.signal);
      const reason = await this.#link.ended;
      if (!this.#stopping.signal.aborted && this.#refused === undefined) this.#log.warn({ reason }, 'link-ended');
    } catch (error) {
      // A session that the appliance does not know any more must not keep us away.
      this.#tlsSession = undefined;
      if (!this.#stopping.signal.aborted) this.#log.warn({ reason: (error as Error).message }, 'link-failed');
    }
    this.#link = undefined;
    this.#sessions.linkEnded();
    return this.#accepted;
  }

  #hello(): FromClient {
    return {
      kind: 'hello',
      versions: [...PROTOCOL_VERSIONS],
      instance: this.#instance,
      facts: readFacts(),
      sessions: this.#sessions.held(),
    };
  }

  #received(message: Exclude<ToClient, { kind: 'welcome' }>): void {
    switch (message.kind) {
      case 'accepted':
        this.#onAccepted(message);
        break;
      case 'state':
        this.#log.info({ state: message.state }, 'state');
        break;
      case 'refused':
        this.#refused = message;
        this.#sayRefusal(message);
        if (message.code === 'revoked' || message.code === 'duplicate-identity') void this.#sessions.endAll(0);
        break;
      case 'come-back':
        this.#comeBack = message;
        this.#returnUntilMs = performance.now() + message.afterMs + message.withinMs + RETURN_LIMIT_MS;
        this.#returnPauses.reset();
        break;
      case 'session-open':
      case 'ticket':
      case 'session-end':
      case 'session-forget':
        this.#sessions.received(message);
        break;
      default:
        // Messages for parts that this program has not got.
        break;
    }
  }

  /** Once, and then at most hourly, however often the client tries. */
  #sayRefusal({ code, message, retryAfterMs }: Refused): void {
    if (!this.#refusalSaid.isDue(code, performance.now())) return;
    const remedy = code === 'revoked' ? ` To use it again, remove ${this.#options.home} and reinstall it with a new token.` : '';
    this.#log.error({ reason: message + remedy, refusal: code, retryAfterMs }, 'refused');
  }

  #onAccepted(message: Extract<ToClient, { kind: 'accepted' }>): void {
    if (!this.#accepted)
      this.#log.info({ state: message.state, site: `${this.#options.host}:${this.#options.port}` }, 'connected');
    this.#accepted = true;
    this.#refusalSaid.forget();
    this.#windows = message.reconnect;
    this.#backOff.reset();
    this.#backOffWithSessions.reset();
    this.#sessions.linkAccepted();
    if (message.certificate !== undefined && this.#identity !== undefined) {
      this.#identity = { ...this.#identity, certificate: message.certificate };
      this.#home.store(this.#identity);
      this.#tlsSession = undefined;
      this.#dataTlsSession = undefined;
      this.#log.info({}, 'certificate-renewed');
    }
  }

  /** wire 3.8: when the appliance said so, within the window after a break, with growing back-off after failures, as told after a refusal. */
  #waitMs(accepted: boolean): number {
    const withSessions = this.#sessions.size > 0;
    if (this.#refused !== undefined) return this.#refused.retryAfterMs * (0.5 + Math.random() / 2) + this.#backOff.next();
    const comeBack = this.#comeBack;
    this.#comeBack = undefined;
    if (comeBack !== undefined) return comeBack.afterMs + Math.random() * comeBack.withinMs;
    if (!accepted && withSessions && performance.now() < this.#returnUntilMs) return this.#returnPauses.next();
    if (accepted) return Math.random() * (withSessions ? this.#windows.withSessionsWindowMs : this.#windows.windowMs);
    return withSessions ? this.#backOffWithSessions.next() : this.#backOff.next();
  }

  async #pause(waitMs: number): Promise<void> {
    await delay(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
