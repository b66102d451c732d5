import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import type { ClientBundleAbout, ClientSettings } from '@bascule/protocol/client-program.ts';
import { LINK_ALPN, type FromClient, type HeldSession, type ToClient } from '@bascule/protocol/control-link.ts';
import { CheckInClock, CLOCK_LOOK_MS } from './check-in-clock.ts';
import { clientHello } from './client-hello.ts';
import type { ClientStatus, ConnectedClientParts } from './connected-client-parts.ts';
import type { ClientHome, StoredIdentity } from './client-home.ts';
import { ControlLink } from './control-link.ts';
import { dial } from './dial.ts';
import { enrolWithRetries } from './enrol-with-retries.ts';
import type { Face, FaceSessions, SessionMessage } from './face.ts';
import { KeptSettings } from './kept-settings.ts';
import { LinkPace } from './link-pace.ts';
import { LinkTrust } from './link-trust.ts';
import { NextDial, type LinkEnd } from './next-dial.ts';
import type { ClientOptions } from './options.ts';
import type { RehearseMessage } from './rehearsal.ts';
import { Rehearsals } from './rehearsals.ts';
import { leadsElsewhere, SiteAddresses } from './site-addresses.ts';
import { SaidSeldom } from './said-seldom.ts';
import { SiteVersionGate } from './site-version-gate.ts';
import type { SupervisorChannel } from './supervisor-channel.ts';
import { TrialHealth } from './trial-health.ts';
import { Upgrader } from './upgrader.ts';
import { plannedRemoval } from './uninstall.ts';

/** How long ending shells may take when the client stops, before they are killed. */
const STOP_LIMIT_MS = 2000;
/** The same refusal is said again after this at the earliest. */
const REFUSAL_SAID_EVERY_MS = 60 * 60_000;
/** Messages for sessions that wait until this candidate is the current program; what comes beyond is given again by the site at the next connect. */
const HELD_MESSAGES_LIMIT = 64;
/** After `uninstalling` the link is closed within this. */
const LAST_WORD_LIMIT_MS = 2000;

type Refused = Extract<ToClient, { kind: 'refused' }>;
type Welcome = Extract<ToClient, { kind: 'welcome' }>;
type Accepted = Extract<ToClient, { kind: 'accepted' }>;

/** A client program: enrols once, then keeps a control link (or checks in), its sessions, and itself up to date. */
export class ConnectedClient {
  readonly #options: ClientOptions;
  readonly #about: ClientBundleAbout;
  readonly #home: ClientHome;
  readonly #supervisor: SupervisorChannel | undefined;
  readonly #log: Log;
  readonly #sessions: FaceSessions;
  readonly #upgrader: Upgrader | undefined;
  readonly #settings: KeptSettings;
  readonly #trust: LinkTrust;
  readonly #versionGate: SiteVersionGate;
  readonly #checkIns = new CheckInClock();
  readonly #pace: LinkPace;
  readonly #addresses: SiteAddresses;
  readonly #nextDial: NextDial;
  readonly #rehearsals: Rehearsals;
  #health: TrialHealth | undefined;
  #stopping = new AbortController();
  /** Ends the pause between two links. */
  #waking = new AbortController();
  /** Made anew at each start: tells a reconnect from a second copy of this identity (wire 3.5). */
  #instance = randomBytes(16).toString('hex');
  #link: ControlLink | undefined;
  #refused: Refused | undefined;
  #refusalSaid = new SaidSeldom(REFUSAL_SAID_EVERY_MS);
  #accepted = false;
  /** What the site has promised on this link. */
  #beatMs: number | undefined;
  #state: Accepted['state'] | undefined;
  /** Of a candidate: what sessions it is asked for meanwhile; undefined when it is none. */
  #heldMessages: SessionMessage[] | undefined;
  /** The site has nothing (more) for this passive client. */
  #isCheckInOver = false;
  /** A link was given up because nothing was heard, since this client was last accepted. */
  #fellSilent = false;
  #idleWaiters: (() => void)[] = [];
  #uninstallAsked = false;

  constructor({ options, face, about, home, supervisor, log }: ConnectedClientParts) {
    this.#options = options;
    this.#about = about;
    this.#home = home;
    this.#supervisor = supervisor;
    this.#log = log;
    this.#settings = new KeptSettings(options.folder, options.home);
    this.#trust = new LinkTrust(home, this.#settings, log);
    this.#versionGate = new SiteVersionGate(options.folder);
    this.#pace = new LinkPace(options.trial);
    this.#addresses = new SiteAddresses(options, () => this.#settings.now.addresses);
    this.#nextDial = new NextDial(this.#addresses, this.#pace);
    this.#sessions = face.sessions({
      target: () => this.#addresses.now,
      tls: () => ({ ...this.#trust.forDataLink(), ...this.#nextDial.limits('session', this.#sessions.size > 0) }),
      send: (message) => this.#link?.send(message) ?? false,
      log,
    });
    this.#sessions.onIdle(() => this.#onIdle());
    this.#rehearsals = this.#makeRehearsals(face);
    this.#upgrader = this.#makeUpgrader();
    if (supervisor !== undefined) this.#listenTo(supervisor, face);
  }

  /** Runs until `stop`, or (with `--once`) until the link ends; gives whether the program is to remove itself now. Throws UsageError when only a person can help. */
  async run(): Promise<'stopped' | 'uninstall'> {
    this.#trust.identity = this.#home.identity() ?? (await this.#enrol());
    while (!this.#stopping.signal.aborted && !this.#options.enrolOnly && this.#trust.identity !== undefined) {
      const end = await this.#connectOnce();
      if (this.#options.once) break;
      if (this.#isCheckInOver) await this.#restUntilCheckIn();
      else await this.#pause(this.#nextDial.waitMs(end, this.#sessions.size > 0));
    }
    return this.#uninstallAsked ? 'uninstall' : 'stopped';
  }

  /** Says goodbye, ends the shells and lets `run` return. Before a trial there is no goodbye: what the site opens meanwhile is for the candidate. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#log.info({ sessions: this.#sessions.size }, 'stopping');
    if (this.#upgrader?.isTrying !== true && this.#heldMessages === undefined) this.#link?.send({ kind: 'goodbye' });
    await Promise.all([this.#sessions.endAll(STOP_LIMIT_MS), this.#rehearsals.close(STOP_LIMIT_MS)]);
    this.#end();
  }

  /** A person (or the site) wants this client to look at once whether there is something to do. */
  checkIn(): void {
    this.#isCheckInOver = false;
    this.#waking.abort();
  }

  /** Ends shells and link, so that the program can be removed. */
  async uninstall(): Promise<void> {
    this.#uninstallAsked = true;
    this.#log.info({}, 'uninstalling');
    this.#link?.send({ kind: 'uninstalling' });
    await Promise.all([this.#sessions.endAll(0), this.#rehearsals.close(0)]);
    this.#link?.close();
    await Promise.race([this.#link?.ended, delay(LAST_WORD_LIMIT_MS)]);
    this.#end();
  }

  status(): ClientStatus {
    const { now } = this.#settings;
    const isResting = this.#link === undefined && this.#isCheckInOver;
    return {
      connected: this.#link !== undefined && this.#accepted,
      state: this.#state,
      site: this.#addresses.text,
      sessions: this.#sessions.size,
      settings: now,
      checkInMs: isResting ? this.#checkIns.leftMs(now.checkInHours) : undefined,
      upgrade: this.#upgrader?.status,
      rehearsal: this.#rehearsals.status,
    };
  }

  #end(): void {
    this.#health?.close();
    this.#upgrader?.close();
    this.#sessions.close();
    this.#stopping.abort();
    this.#waking.abort();
    this.#link?.close();
  }

  #makeUpgrader(): Upgrader | undefined {
    const { folder, trial } = this.#options;
    const supervisor = this.#supervisor;
    if (folder === undefined || supervisor === undefined) return undefined;
    return new Upgrader({
      folder,
      trial,
      running: this.#about,
      stateDirectory: this.#options.home,
      dial: (signal) => dial(this.#addresses.now, { ...this.#trust.plain(), alpn: LINK_ALPN }, signal),
      report: (report) => this.#link?.send({ kind: 'upgrade-status', ...report }) ?? false,
      isIdle: () => this.#sessions.size + this.#rehearsals.sessionCount === 0,
      whenIdle: (signal) => this.#whenIdle(signal),
      try: (attempt) => supervisor.try(attempt),
      log: this.#log,
    });
  }

  #makeRehearsals(face: Face): Rehearsals {
    const context = {
      face,
      proxy: this.#options.proxy,
      tls: () => this.#trust.plain(),
      hello: (sessions: HeldSession[]) => this.#hello(sessions, false),
      log: this.#log,
    };
    return new Rehearsals(context, () => this.#onIdle());
  }

  #listenTo(supervisor: SupervisorChannel, face: Face): void {
    if (this.#options.trial) {
      this.#heldMessages = [];
      this.#health = new TrialHealth(supervisor, () => face.probeShell?.() ?? Promise.resolve());
    }
    supervisor.listen({
      stop: () => void this.stop(),
      committed: () => this.#onCommitted(),
      tryRefused: (order, reason) => this.#upgrader?.tryRefused(order, reason),
      lost: () => void this.#onSupervisorLost(),
    });
  }

  #onCommitted(): void {
    this.#log.info({ version: this.#about.version }, 'upgraded');
    const held = this.#heldMessages ?? [];
    this.#heldMessages = undefined;
    this.#pace.committed();
    this.#upgrader?.committed();
    for (const message of held) this.#sessions.received(message);
  }

  /** Shells outlive the supervisor; nothing else does, so that the next supervisor finds the home free. */
  async #onSupervisorLost(): Promise<void> {
    this.#log.warn({}, 'supervisor-lost');
    while (this.#heldMessages === undefined && this.#sessions.size > 0)
      await this.#whenIdle(this.#stopping.signal).catch(() => undefined);
    await this.stop();
  }

  #enrol(): Promise<StoredIdentity | undefined> {
    return enrolWithRetries({
      options: this.#options,
      home: this.#home,
      version: this.#about.version,
      log: this.#log,
      signal: this.#stopping.signal,
      pause: () => this.#pause(this.#pace.enrolWaitMs()),
    });
  }

  #refusal(): string | undefined {
    return this.#refused?.message;
  }

  /** One link from dialling to its end. */
  async #connectOnce(): Promise<LinkEnd> {
    this.#accepted = false;
    this.#refused = undefined;
    this.#beatMs = undefined;
    this.#isCheckInOver = false;
    let reason: string;
    try {
      const events = {
        hello: ({ version }: Welcome) => this.#helloTo(version),
        message: (message: Exclude<ToClient, { kind: 'welcome' }>) => this.#received(message),
        isHurried: () => this.#addresses.areSeveral && this.#sessions.size > 0,
        beatMs: () => (this.#addresses.areSeveral ? this.#beatMs : undefined),
      };
      const tls = { ...this.#trust.forControlLink(), ...this.#nextDial.limits('link', this.#sessions.size > 0) };
      this.#link = await ControlLink.open(this.#addresses.now, tls, events, this.#stopping.signal);
      reason = await this.#link.ended;
      const isExpected = this.#stopping.signal.aborted || this.#refused !== undefined || this.#isCheckInOver;
      if (!isExpected) this.#log.warn({ reason }, 'link-ended');
    } catch (error) {
      this.#trust.linkFailed();
      reason = (error as Error).message;
      if (!this.#stopping.signal.aborted) this.#log.warn({ reason }, 'link-failed');
    }
    const end = { link: this.#link, accepted: this.#accepted, refused: this.#refused };
    this.#fellSilent ||= this.#link?.wasSilent === true;
    this.#link = undefined;
    this.#sessions.linkEnded();
    this.#health?.unlinked(this.#refusal() ?? reason);
    return end;
  }

  /** Undefined for a site that this client was installed ahead of. */
  #helloTo(siteVersion: string | undefined): FromClient | undefined {
    this.#refused = this.#versionGate.refusal(siteVersion);
    if (this.#refused === undefined) return this.#hello(this.#sessions.held(), this.#upgrader !== undefined);
    this.#sayRefusal(this.#refused);
    return undefined;
  }

  /** `upgradable`: not in a test of the standby, which has no upgrades to give. */
  #hello(sessions: HeldSession[], upgradable: boolean): FromClient {
    return clientHello({
      about: this.#about,
      options: this.#options,
      instance: this.#instance,
      mode: this.#settings.now.mode,
      upgradable,
      isTrial: this.#heldMessages !== undefined,
      authority: this.#trust.plain().authority,
      sessions,
      upgrade: upgradable ? this.#upgrader?.status : undefined,
      record: this.#trust.record,
    });
  }

  #received(message: Exclude<ToClient, { kind: 'welcome' }>): void {
    switch (message.kind) {
      case 'accepted':
        this.#onAccepted(message);
        break;
      case 'state':
        this.#state = message.state;
        this.#log.info({ state: message.state }, 'state');
        break;
      case 'refused':
        this.#refused = message;
        this.#trust.keep({ record: message.record });
        if (leadsElsewhere(message)) this.#changeSettings({ ...this.#settings.now, addresses: message.addresses });
        this.#sayRefusal(message);
        if (message.code === 'revoked' || message.code === 'duplicate-identity') this.#onDismissed();
        break;
      case 'come-back':
        this.#pace.comeBack(message);
        break;
      case 'session-open':
      case 'ticket':
      case 'session-end':
      case 'session-forget':
        this.#onSessionMessage(message);
        break;
      case 'settings':
        this.#changeSettings(message.settings);
        break;
      case 'check-in-over':
        this.#isCheckInOver = this.#settings.now.mode === 'passive';
        this.#restWhenDone();
        break;
      case 'uninstall':
        this.#onUninstall();
        break;
      case 'rehearse':
        this.#onRehearse(message);
        break;
      case 'rehearsal-over':
        this.#rehearsals.over(message.rehearsal);
        break;
      case 'upgrade':
        this.#upgrader?.ordered(message);
        break;
      case 'upgrade-cancel':
        this.#upgrader?.cancelled(message.order);
        this.#restWhenDone();
        break;
      case 'upgrade-noted':
        this.#upgrader?.noted(message.order);
        this.#restWhenDone();
        break;
      default:
        // Messages for parts that this program has not got.
        break;
    }
  }

  #onDismissed(): void {
    void this.#sessions.endAll(0);
    this.#rehearsals.dismissed();
  }

  /** While the next version takes over nothing is begun: the site orders it again at the next connect, and a candidate begins when it is to stay. */
  #onSessionMessage(message: SessionMessage): void {
    if (this.#upgrader?.isTrying === true) return;
    if (this.#heldMessages === undefined) this.#sessions.received(message);
    else if (this.#heldMessages.length < HELD_MESSAGES_LIMIT) this.#heldMessages.push(message);
  }

  /** Answered on this link alone: the site that is found next may not know of it. */
  #onRehearse(message: RehearseMessage): void {
    if (this.#upgrader?.isTrying === true || this.#heldMessages !== undefined) return;
    const link = this.#link;
    this.#rehearsals.ordered(message, (report) => void link?.send(report));
  }

  /** Once, and then at most hourly, however often the client tries. */
  #sayRefusal({ code, message, retryAfterMs }: Refused): void {
    if (!this.#refusalSaid.isDue(code, performance.now())) return;
    const remedy = code === 'revoked' ? ` To use it again, remove ${this.#options.home} and reinstall it with a new token.` : '';
    this.#log.error({ reason: message + remedy, refusal: code, retryAfterMs }, 'refused');
  }

  #onAccepted(message: Accepted): void {
    if (!this.#accepted) this.#log.info({ state: message.state, site: this.#addresses.text }, 'connected');
    this.#accepted = true;
    this.#state = message.state;
    this.#refusalSaid.forget();
    this.#pace.accepted(message.reconnect);
    const hasMoved = this.#addresses.accepted();
    // Behind the same address another appliance may be now: links of before are as dead as the one that fell silent.
    this.#sessions.linkAccepted(hasMoved || this.#fellSilent);
    this.#fellSilent = false;
    if (message.settings !== undefined) this.#changeSettings(message.settings);
    this.#trust.keep(message);
    this.#health?.accepted();
    this.#upgrader?.linkAccepted();
  }

  #changeSettings(settings: ClientSettings): void {
    this.#beatMs = settings.beatMs;
    try {
      if (this.#settings.change(settings)) this.#log.info({ mode: settings.mode }, 'settings');
    } catch (error) {
      this.#log.warn({ reason: (error as Error).message }, 'settings-not-stored');
    }
    if (settings.mode === 'active') this.#isCheckInOver = false;
  }

  #onUninstall(): void {
    try {
      plannedRemoval(this.#options.folder);
    } catch (error) {
      this.#link?.send({ kind: 'uninstalling', failed: (error as Error).message });
      return;
    }
    void this.uninstall();
  }

  /** A passive client goes when it was told so, and neither a shell nor an upgrade is under way. */
  #restWhenDone(): void {
    const isBusy = this.#sessions.size > 0 || this.#rehearsals.isUnderWay || this.#upgrader?.busy === true;
    if (this.#isCheckInOver && !isBusy && this.#heldMessages === undefined) this.#link?.close();
  }

  async #restUntilCheckIn(): Promise<void> {
    this.#checkIns.restart();
    this.#log.info({}, 'resting');
    while (!this.#stopping.signal.aborted && this.#isCheckInOver) {
      const leftMs = this.#checkIns.leftMs(this.#settings.now.checkInHours);
      if (leftMs === 0) break;
      await this.#pause(Math.min(leftMs, CLOCK_LOOK_MS));
    }
  }

  #onIdle(): void {
    for (const wake of this.#idleWaiters.splice(0)) wake();
    this.#restWhenDone();
  }

  #whenIdle(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#idleWaiters.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }

  async #pause(waitMs: number): Promise<void> {
    this.#waking = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, this.#waking.signal]);
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
}
