/**
 * Keeps every session that has not ended in step with the relay and the client. Each of the three can die at any point; a session is known
 * by its row, and every message is idempotent by session, so that at each start and each connection everything is said again.
 * Order: what is to happen is in the row first, then it is said. docs/decisions/0060-life-of-an-access-session.md
 */
import type { Log } from '@bascule/log/log.ts';
import type { SecuritySettings } from '@bascule/protocol/api/site.ts';
import type { FromClient, HeldSession, ToClient } from '@bascule/protocol/control-link.ts';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import type { FromRelay, ToRelay } from '@bascule/protocol/relay-control.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import * as events from './access-session-events.ts';
import { nameSession } from './access-session-events.ts';
import * as rows from './access-session-store.ts';
import type { SessionRow } from './access-session-store.ts';
import { dueEnd, endGraceMs, noteOf, type LiveSession, type SessionEnd } from './live-session.ts';
import { RelayLink } from './relay-link.ts';
import { RECORDING_PAUSE_LIMIT_MS, newTicket, relayConfiguration, sessionOpen, shellProgram } from './session-messages.ts';

/** How long a person waits for the recording to be opened. */
export const RECORDING_OPEN_LIMIT_MS = 10_000;
/** How long the client has to connect the process it was told to start. */
export const START_LIMIT_MS = 30_000;
/** Clocks that ran while main or the relay was away end no session before people and clients had this long to come back. */
export const RECONNECT_GRACE_MS = 120_000;
const TICK_MS = 1000;
/** Cuts that wait for a relay that is just restarting; a relay that restarted has no links to cut, one that main lost has. */
const WAITING_CUTS_LIMIT = 1000;
/** `ended`: while the recording was being opened, somebody ended the session. */
export type OpenOutcome = { kind: 'opened' } | { kind: 'relay-away' } | { kind: 'failed'; reason: string } | { kind: 'ended' };
export type ClientMessage = Exclude<FromClient, { kind: 'hello' | 'enrol' }>;

/** What sessions need of the jump domain (class Jump). */
export interface SessionClients {
  sendToClient(clientId: string, message: ToClient): boolean;
  noteSessionCount(clientId: string, count: number): void;
  onClientSessions(listener: (clientId: string, held: HeldSession[]) => void): void;
  onClientMessage(listener: (clientId: string, message: ClientMessage) => void): void;
  onClientCut(listener: (clientId: string, reason: string) => void): void;
}

export interface SessionKeeperOptions {
  store: Store;
  clients: SessionClients;
  /** The relay's control socket. */
  relaySocket: string;
  /** The certificate of the links, as it is now. */
  linkTls(): { key: string; certificate: string; authority: string; ticketKeys: Buffer };
  appliance: string;
  settings(): Pick<SecuritySettings, 'notResumedMinutes' | 'clientAwayMinutes' | 'recordInput' | 'recordingMaxMebibytes'>;
  /** Tells open pages that the list of active sessions changed. */
  changed(): void;
  /** What the relay is told of the failover pair, and says of its copies. */
  pair?: RelayPair | undefined;
  log: Log;
  now?: () => number;
}

/** What the failover domain has the relay do: `order` is sent at each connection, and by `sendPairOrder` on change. */
export interface RelayPair {
  order(): Extract<ToRelay, { kind: 'pair' }>;
  heard(copy: Extract<FromRelay, { kind: 'pair-copy' }>): void;
}

export class SessionKeeper {
  #options: SessionKeeperOptions;
  #store: Store;
  #clients: SessionClients;
  #log: Log;
  #now: () => number;
  #sessions = new Map<string, LiveSession>();
  readonly #countListeners: ((clientId: string, count: number) => void)[] = [];
  #opening = new Map<string, (outcome: OpenOutcome) => void>();
  #waitingCuts: ToRelay[] = [];
  #whenOpened = new Map<string, Set<() => void>>();
  /** Before this, no clock ends a session. */
  #clocksFromMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly relay: RelayLink;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clients = options.clients;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.relay = new RelayLink({
      path: options.relaySocket,
      configure: () => this.#configuration(),
      onReady: () => this.#relayReady(),
      onLost: () => this.#relayLost(),
      onMessage: (message) => {
        if (message.kind === 'pair-copy') options.pair?.heard(message);
        else this.#safely(message.session, () => this.#onRelayMessage(message));
      },
      log: options.log,
    });
  }

  /** Takes up what the database says has not ended, and connects to the relay. Before the first control link. */
  start(): void {
    for (const row of rows.unendedSessions(this.#store)) this.#keep(row).toldClient = true;
    this.#clients.onClientSessions((client, held) => this.#clientCame(client, held));
    this.#clients.onClientMessage((client, message) => this.#safely(client, () => this.#onClientMessage(client, message)));
    this.#clients.onClientCut((client) => this.#clientCut(client));
    this.relay.start();
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.relay.close();
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(id: string): LiveSession | undefined {
    return this.#sessions.get(id);
  }

  /** Sessions that have not ended, oldest first. */
  all(): IterableIterator<LiveSession> {
    return this.#sessions.values();
  }

  /** How many sessions that have not ended are on a client changed. */
  onCountChanged(listener: (clientId: string, count: number) => void): void {
    this.#countListeners.push(listener);
  }

  isOnClient(clientId: string): boolean {
    for (const { row } of this.#sessions.values()) if (row.jumpItemId === clientId) return true;
    return false;
  }

  /** Resolves when the relay has the session's recording open, or after `limitMs`, or when the session ends. */
  async whenOpened(session: LiveSession, limitMs: number): Promise<void> {
    if (session.opened || session.ended !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const { id } = session.row;
    const waiting = this.#whenOpened.get(id) ?? new Set();
    this.#whenOpened.set(id, waiting.add(resolve));
    const timer = setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
    waiting.delete(resolve);
    if (waiting.size === 0) this.#whenOpened.delete(id);
  }

  #tellWaiting(id: string): void {
    for (const resolve of this.#whenOpened.get(id) ?? []) resolve();
  }

  /** The pair changed: tells the relay. */
  sendPairOrder(): void {
    if (this.#options.pair !== undefined) this.relay.send(this.#options.pair.order());
  }

  /** Settings or link certificate changed: tells the relay. */
  reconfigure(): void {
    this.relay.send(this.#configuration());
  }

  /** Keeps a session whose row was just stored, and has its recording opened. Unless it is, the session ends. */
  async openRecording(row: SessionRow): Promise<OpenOutcome> {
    const session = this.#keep(row);
    const { promise, resolve } = Promise.withResolvers<OpenOutcome>();
    const timer = setTimeout(() => resolve({ kind: 'relay-away' }), RECORDING_OPEN_LIMIT_MS);
    this.#opening.set(row.id, resolve);
    this.#sayOpen(session);
    const outcome = await promise;
    clearTimeout(timer);
    this.#opening.delete(row.id);
    if (outcome.kind === 'relay-away' && this.#sessions.has(row.id)) this.endBySystem(session, EndReason.recordingFailed);
    return session.row.endRequested !== null && outcome.kind === 'opened' ? { kind: 'ended' } : outcome;
  }

  /** Orders the client to start the process; false when it cannot be told just now, and the session ends. */
  tellClientToStart(session: LiveSession): boolean {
    const { row } = session;
    const ticket = this.#agentTicket(row);
    session.startBeforeMs = this.#now() + START_LIMIT_MS;
    session.toldClient = true;
    session.orderWanted = false;
    const program = shellProgram(row, this.#options.settings().clientAwayMinutes);
    return (
      ticket !== undefined &&
      this.#clients.sendToClient(row.jumpItemId, { kind: 'session-open', session: row.id, program, ticket })
    );
  }

  /** A one-time ticket for the viewer link; undefined when the relay cannot be told just now. */
  viewerTicket(
    session: LiveSession,
    user: { id: string; loginSession: string },
  ): { ticket: string; expiresAtMs: number } | undefined {
    const { ticket, ...rest } = newTicket(this.#now());
    const sent =
      session.opened &&
      this.relay.send({
        kind: 'viewer-ticket',
        session: session.row.id,
        user: user.id,
        loginSession: user.loginSession,
        ...rest,
      });
    return sent ? { ticket, expiresAtMs: rest.expiresAtMs } : undefined;
  }

  /** Cuts viewers or agents now, or as soon as the relay is there. */
  cut(message: Extract<ToRelay, { kind: 'viewers-cut' | 'agent-cut' }>): void {
    if (this.relay.send(message)) return;
    if (this.#waitingCuts.length >= WAITING_CUTS_LIMIT) this.#waitingCuts.shift();
    this.#waitingCuts.push(message);
  }

  /** Ends the session for `reason`: stored first, then said to client and relay. The first reason stands. */
  requestEnd(session: LiveSession, reason: EndReason, context: Context): void {
    const { row } = session;
    if (row.endRequested !== null || session.ended !== undefined) return;
    this.#store.transact(context, events.sessionEndRequested({ ...nameSession(row), reason }), (tx) =>
      rows.requestEnd(tx, row.id, reason),
    );
    row.endRequested = reason;
    this.#sayEnd(session);
    this.#options.changed();
  }

  /** As `requestEnd`; a fault is logged, and tried again by whoever finds the cause again. */
  endBySystem(session: LiveSession, reason: EndReason): void {
    this.#safely(session.row.id, () => this.requestEnd(session, reason, SYSTEM));
  }

  /** Looks at every clock once; called each second. */
  tick(): void {
    const nowMs = this.#now();
    for (const session of this.#sessions.values()) this.#safely(session.row.id, () => this.#tickSession(session, nowMs));
  }

  #tickSession(session: LiveSession, nowMs: number): void {
    if (session.ended !== undefined) return this.#storeEnd(session, session.ended);
    if (!this.relay.ready) return;
    if (session.openFailedSinceMs !== null) return this.#retryRecording(session, session.openFailedSinceMs, nowMs);
    if (session.row.state === 'starting' && session.agentConnected) this.#markLive(session);
    this.#noteAbsences(session, nowMs);
    if (session.row.state === 'live' && nowMs < this.#clocksFromMs) return;
    const reason = dueEnd(session, this.#options.settings(), nowMs);
    if (reason !== undefined) this.requestEnd(session, reason, SYSTEM);
  }

  /** Writes down since when nobody has it open, or its client is away, so that the clocks survive a restart. */
  #noteAbsences(session: LiveSession, nowMs: number): void {
    const { row } = session;
    const detachedSinceMs = noteOf(session.detachedSinceMs, row.detachedSinceMs, nowMs);
    if (detachedSinceMs !== row.detachedSinceMs) {
      const event = detachedSinceMs === null ? events.sessionResumed : events.sessionDetached;
      this.#store.transact(SYSTEM, event(nameSession(row)), (tx) => rows.setDetached(tx, row.id, detachedSinceMs));
      row.detachedSinceMs = detachedSinceMs;
    }
    const awaySinceMs = noteOf(session.awaySinceMs, row.awaySinceMs, nowMs);
    if (row.state === 'live' && awaySinceMs !== row.awaySinceMs) {
      const event = awaySinceMs === null ? events.clientCameBack : events.clientWentAway;
      this.#store.transact(SYSTEM, event(nameSession(row)), (tx) => rows.setAway(tx, row.id, awaySinceMs));
      row.awaySinceMs = awaySinceMs;
    }
  }

  /** The recording of a running session could not be opened again: tried until the limit, then never unrecorded. */
  #retryRecording(session: LiveSession, sinceMs: number, nowMs: number): void {
    if (nowMs - sinceMs < RECORDING_PAUSE_LIMIT_MS && session.row.endRequested === null) return this.#sayOpen(session);
    this.#clients.sendToClient(session.row.jumpItemId, {
      kind: 'session-end',
      session: session.row.id,
      reason: EndReason.recordingFailed,
    });
    this.#storeEnd(session, this.#endWithoutRelay(session, session.row.endRequested ?? EndReason.recordingFailed));
  }

  #keep(row: SessionRow): LiveSession {
    const session: LiveSession = {
      row,
      viewers: 0,
      agentConnected: false,
      paused: false,
      outBytes: row.outBytes,
      inBytes: row.inBytes,
      opened: false,
      openFailedSinceMs: null,
      toldClient: false,
      orderWanted: false,
      ticketWanted: false,
      startBeforeMs: this.#now() + START_LIMIT_MS,
      detachedSinceMs: row.detachedSinceMs,
      awaySinceMs: row.awaySinceMs,
      ended: undefined,
    };
    this.#sessions.set(row.id, session);
    this.#listChanged(row);
    return session;
  }

  #listChanged(row: SessionRow): void {
    let count = 0;
    for (const other of this.#sessions.values()) if (other.row.jumpItemId === row.jumpItemId) count += 1;
    this.#clients.noteSessionCount(row.jumpItemId, count);
    for (const listener of this.#countListeners) listener(row.jumpItemId, count);
    this.#options.changed();
  }

  #configuration(): ToRelay {
    return relayConfiguration(this.#options.linkTls(), this.#options.settings().recordingMaxMebibytes);
  }

  #relayReady(): void {
    this.#clocksFromMs = this.#now() + RECONNECT_GRACE_MS;
    this.sendPairOrder();
    for (const message of this.#waitingCuts.splice(0)) this.relay.send(message);
    for (const session of this.#sessions.values()) if (session.ended === undefined) this.#sayOpen(session);
  }

  #relayLost(): void {
    for (const session of this.#sessions.values()) {
      session.opened = false;
      session.agentConnected = false;
      session.viewers = 0;
      session.paused = false;
      this.#opening.get(session.row.id)?.({ kind: 'relay-away' });
    }
    this.#options.changed();
  }

  #sayOpen(session: LiveSession): void {
    this.relay.send(sessionOpen(session.row, this.#options.appliance, session.inBytes));
  }

  #sayEnd(session: LiveSession): void {
    const { row } = session;
    if (row.endRequested === null) return;
    // The relay first: when the process goes, it has to know already that it was told to.
    if (session.opened)
      this.relay.send({ kind: 'session-end', session: row.id, reason: row.endRequested, graceMs: endGraceMs(row.endRequested) });
    this.#clients.sendToClient(row.jumpItemId, { kind: 'session-end', session: row.id, reason: row.endRequested });
  }

  #onRelayMessage(message: Exclude<FromRelay, { kind: 'configured' | 'pair-copy' }>): void {
    const session = this.#sessions.get(message.session);
    if (session === undefined) {
      // Its end is stored: main died before it could say so, or the answer came twice.
      if (message.kind === 'session-ended') this.relay.send({ kind: 'session-forget', session: message.session });
      return;
    }
    switch (message.kind) {
      case 'session-opened':
        return this.#opened(session, message.recordedBytes);
      case 'session-open-failed':
        return this.#openFailed(session, message.reason);
      case 'agent-link':
        return this.#agentLink(session, message.connected);
      case 'viewers':
        session.viewers = message.count;
        session.detachedSinceMs = message.count > 0 ? null : (session.detachedSinceMs ?? this.#now());
        return this.#options.changed();
      case 'paused':
        session.paused = message.paused;
        this.#log.warn({ session: session.row.id, paused: message.paused, reason: message.reason }, 'recording-paused');
        return this.#options.changed();
      case 'progress':
        session.outBytes = message.outBytes;
        session.inBytes = message.inBytes;
        return this.#options.changed();
      case 'gap':
        return this.#noteGap(session, message);
      case 'session-ended':
        return this.#storeEnd(session, message);
    }
  }

  /** Neither recording nor client has that part of the output any more: the recording says so, and so does the audit. */
  #noteGap({ row }: LiveSession, { from, to }: { from: number; to: number }): void {
    this.#log.warn({ session: row.id, from, to }, 'session-output-missing');
    const event = events.outputMissing({ ...nameSession(row), from, to, bytes: to - from });
    this.#store.transact(SYSTEM, event, () => undefined);
  }

  #opened(session: LiveSession, recordedBytes: number): void {
    session.opened = true;
    session.openFailedSinceMs = null;
    session.outBytes = Math.max(session.outBytes, recordedBytes);
    session.startBeforeMs = this.#now() + START_LIMIT_MS;
    if (session.viewers === 0) session.detachedSinceMs ??= this.#now();
    if (!session.agentConnected) session.awaySinceMs ??= this.#now();
    if (session.row.state === 'starting' && recordedBytes > 0) this.#markLive(session);
    this.#opening.get(session.row.id)?.({ kind: 'opened' });
    this.#tellWaiting(session.row.id);
    if (session.row.endRequested !== null) this.#sayEnd(session);
    else if (session.orderWanted && session.row.state === 'starting') this.tellClientToStart(session);
    if (session.ticketWanted) this.#sendTicket(session);
  }

  #openFailed(session: LiveSession, reason: string): void {
    this.#log.error({ session: session.row.id, reason }, 'recording-not-opened');
    if (session.row.state === 'live') {
      session.openFailedSinceMs ??= this.#now();
      return;
    }
    this.#opening.get(session.row.id)?.({ kind: 'failed', reason });
    // No process was started, or none that said anything: there is nothing to record.
    this.#clients.sendToClient(session.row.jumpItemId, { kind: 'session-forget', session: session.row.id });
    this.#storeEnd(session, this.#endWithoutRelay(session, session.row.endRequested ?? EndReason.recordingFailed));
  }

  #agentLink(session: LiveSession, connected: boolean): void {
    session.agentConnected = connected;
    session.awaySinceMs = connected ? null : (session.awaySinceMs ?? this.#now());
    if (connected && session.row.state === 'starting') this.#markLive(session);
    this.#options.changed();
  }

  #markLive(session: LiveSession): void {
    const { row } = session;
    this.#store.transact(SYSTEM, events.sessionLive(nameSession(row)), (tx) => rows.markLive(tx, row.id));
    row.state = 'live';
  }

  #endWithoutRelay(session: LiveSession, reason: EndReason): SessionEnd {
    const { row, outBytes, inBytes } = session;
    return { kind: 'session-ended', session: row.id, reason, exitCode: null, endedAtMs: this.#now(), outBytes, inBytes };
  }

  /** Stores the end, then lets relay and client forget. If it cannot be stored, the next tick tries again. */
  #storeEnd(session: LiveSession, end: SessionEnd): void {
    const { row } = session;
    session.ended = end;
    const { reason, exitCode, outBytes, inBytes, endedAtMs } = end;
    const recordingBytes = end.recordingBytes ?? null;
    const headSha256 = end.headSha256 ?? null;
    this.#store.transact(
      SYSTEM,
      events.sessionEnded({
        ...nameSession(row),
        reason,
        exitCode,
        outBytes,
        inBytes,
        recordingBytes,
        headSha256,
        ...(end.gapBytes !== undefined && { gapBytes: end.gapBytes }),
      }),
      (tx) => rows.endSession(tx, { id: row.id, reason, endedAtMs, exitCode, outBytes, inBytes, recordingBytes, headSha256 }),
    );
    this.#sessions.delete(row.id);
    this.#opening.get(row.id)?.({ kind: 'ended' });
    this.#tellWaiting(row.id);
    this.relay.send({ kind: 'session-forget', session: row.id });
    this.#clients.sendToClient(row.jumpItemId, { kind: 'session-forget', session: row.id });
    this.#log.info({ session: row.id, reason }, 'access-session-ended');
    this.#listChanged(row);
  }

  /** At every connect of a client: what it holds against what the database says. */
  #clientCame(clientId: string, held: HeldSession[]): void {
    const holds = new Set(held.map(({ session }) => session));
    for (const id of holds) {
      if (this.#sessions.get(id)?.row.jumpItemId !== clientId)
        this.#clients.sendToClient(clientId, { kind: 'session-forget', session: id });
    }
    for (const session of this.#sessions.values()) {
      if (session.row.jumpItemId !== clientId || session.ended !== undefined) continue;
      this.#safely(session.row.id, () => this.#compareHeld(session, holds.has(session.row.id)));
    }
  }

  #compareHeld(session: LiveSession, isHeld: boolean): void {
    if (session.row.endRequested !== null) return this.#sayEnd(session);
    if (isHeld) return;
    if (session.row.state === 'live') return this.requestEnd(session, EndReason.clientStopped, SYSTEM);
    // The order was lost on the way: given again, until START_LIMIT_MS is over.
    session.orderWanted = session.toldClient;
    if (session.orderWanted && session.opened) this.tellClientToStart(session);
  }

  #onClientMessage(clientId: string, message: ClientMessage): void {
    if (message.kind === 'goodbye') {
      for (const session of this.#sessions.values())
        if (session.row.jumpItemId === clientId) this.endBySystem(session, EndReason.clientStopped);
      return;
    }
    if (message.kind === 'upgrade-status' || message.kind === 'uninstalling' || message.kind === 'rehearsal-link') return;
    const session = this.#sessions.get(message.session);
    if (session === undefined || session.row.jumpItemId !== clientId) {
      if (message.kind === 'ticket-request')
        this.#clients.sendToClient(clientId, { kind: 'session-forget', session: message.session });
      return;
    }
    switch (message.kind) {
      case 'ticket-request':
        session.ticketWanted = true;
        if (session.opened) this.#sendTicket(session);
        return;
      case 'session-failed':
        this.#log.warn({ session: session.row.id, reason: message.reason }, 'access-session-not-started');
        return this.requestEnd(session, EndReason.startFailed, SYSTEM);
      case 'session-gone':
        return this.requestEnd(session, EndReason.clientStopped, SYSTEM);
    }
  }

  #clientCut(clientId: string): void {
    this.cut({ kind: 'agent-cut', client: clientId });
    for (const session of this.#sessions.values())
      if (session.row.jumpItemId === clientId) this.endBySystem(session, EndReason.clientRevoked);
  }

  #sendTicket(session: LiveSession): void {
    const ticket = this.#agentTicket(session.row);
    if (ticket === undefined) return;
    session.ticketWanted = false;
    this.#clients.sendToClient(session.row.jumpItemId, { kind: 'ticket', session: session.row.id, ticket });
  }

  #agentTicket(row: SessionRow): string | undefined {
    const { ticket, ...rest } = newTicket(this.#now());
    return this.relay.send({ kind: 'agent-ticket', session: row.id, client: row.jumpItemId, ...rest }) ? ticket : undefined;
  }

  #safely(about: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#log.error({ err: error, about }, 'access-session-not-stored');
    }
  }
}
