import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import type { TerminalSize } from '@bascule/protocol/text.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { AccessGrant } from '../policy/policy.ts';
import * as errors from './access-session-errors.ts';
import { nameSession, sessionStarted } from './access-session-events.ts';
import * as rows from './access-session-store.ts';
import type { SessionFilter, SessionRow } from './access-session-store.ts';
import { SessionKeeper, type SessionKeeperOptions } from './session-keeper.ts';

export { accessSessionMigrations } from './access-session-migrations.ts';
export { accessSessionRoutes } from './access-session-routes.ts';
export type { SessionFilter } from './access-session-store.ts';
export type { ClientMessage, RelayPair, SessionClients } from './session-keeper.ts';
export { RelayLink } from './relay-link.ts';
export { relayConfiguration } from './session-messages.ts';

/** Sessions that have not ended, at most. */
export const SESSION_LIMITS = { user: 20, item: 20, site: 500 };

/** A page that comes back while main and relay find each other waits this long for its ticket. */
export const ATTACH_WAIT_MS = 3000;

/** A Jump Item a grant was given for (JumpTarget of the jump domain). */
export interface SessionTarget {
  id: string;
  groupId: string | null;
  name: string;
  hostName: string;
  runsAs: string;
  state: string;
  online: boolean;
  /** When a passive client that is away checks in at the latest (B107). */
  nextCheckInMs?: number | null;
}

export interface AccessSessionsOptions extends SessionKeeperOptions {
  /** Whether the user may jump to the item now; policy says so. */
  mayJump(userId: string, itemId: string): boolean;
  /** Whether the item's client has to be upgraded before the user may jump to it (B109, B110), and its place in the queue; null when it does not wait just now. */
  holdBack?(context: Context, userId: string, itemId: string): { place: number | null } | undefined;
  /** Throws when a licence does not let the user open a session on the item (B208, B209). */
  checkLicence?(context: Context, user: { id: string; role: string }, item: { id: string; name: string }): void;
  limits?: typeof SESSION_LIMITS;
}

/**
 * Access sessions: a person's shell on a Jump Item. main decides who may and when it ends, the relay carries and records, the client runs the
 * process. `start` before the first control link is accepted.
 */
export class AccessSessions {
  #options: AccessSessionsOptions;
  #limits: typeof SESSION_LIMITS;
  #now: () => number;
  #keeper: SessionKeeper;
  #attaching = new Set<{ id: string; loginSession: string; isCut: boolean }>();

  constructor(options: AccessSessionsOptions) {
    this.#options = options;
    this.#limits = options.limits ?? SESSION_LIMITS;
    this.#now = options.now ?? Date.now;
    this.#keeper = new SessionKeeper(options);
  }

  /** Takes up what has not ended, and connects to the relay. */
  start(): void {
    this.#keeper.start();
    // A program that died between a change of rights and the ends that follow from it.
    this.rightsChanged();
  }

  close(): void {
    this.#keeper.close();
  }

  /** Whether the relay is there: without it no session opens. */
  get relayReady(): boolean {
    return this.#keeper.relay.ready;
  }

  /** How many sessions have not ended. */
  get count(): number {
    return this.#keeper.size;
  }

  /** Whether a session that has not ended is on the client. */
  isOnClient(clientId: string): boolean {
    return this.#keeper.isOnClient(clientId);
  }

  /** How many sessions that have not ended are on a client changed. */
  onClientSessions(listener: (clientId: string, count: number) => void): void {
    this.#keeper.onCountChanged(listener);
  }

  /** The security settings, or the certificate of the links, changed: tells the relay. */
  settingsChanged(): void {
    this.#keeper.reconfigure();
  }

  /** The failover pair changed: tells the relay. */
  pairChanged(): void {
    this.#keeper.sendPairOrder();
  }

  /** Looks at every clock once; a timer does so each second. */
  tick(): void {
    this.#keeper.tick();
  }

  /**
   * Opens a session on the grant's Jump Item for its user: row, recording, then the order to the client. Answers its id once the
   * client was told; the page attaches and waits for the shell. Throws the errors of access-session-errors.ts; a session whose opening throws ends.
   */
  async open(grant: AccessGrant<SessionTarget>, size: TerminalSize, context: Context): Promise<string> {
    const { principal: user, item: target } = grant;
    if (target.state !== 'approved') throw errors.itemNotApproved(target.name);
    if (!target.online) throw errors.itemOffline(target.name, target.nextCheckInMs ?? undefined);
    const held = this.#options.holdBack?.(context, user.id, target.id);
    if (held !== undefined) throw errors.upgradePending(target.name, held.place);
    if (!this.relayReady) throw errors.relayAway();
    this.#checkLimits(user.id, target.id);
    this.#options.checkLicence?.(context, user, target);
    const row = this.#newRow(user, target, size, context.address);
    const event = sessionStarted({
      ...nameSession(row),
      host: row.hostName,
      runsAs: row.runsAs,
      recordsInput: row.recordsInput === 1,
    });
    this.#options.store.transact(context, event, (tx) => rows.insertSession(tx, row));

    const outcome = await this.#keeper.openRecording(row);
    if (outcome.kind === 'failed') throw errors.recordingFailed(outcome.reason);
    if (outcome.kind === 'relay-away') throw errors.relayAway();
    const session = this.#keeper.get(row.id);
    if (outcome.kind === 'ended' || session === undefined) throw errors.alreadyEnded();
    if (this.#keeper.tellClientToStart(session)) return row.id;
    this.#keeper.requestEnd(session, EndReason.startFailed, SYSTEM);
    throw errors.startFailed(target.name);
  }

  /** The Jump Item of the user's own session that has not ended; undefined when there is none. For asking policy before `attach`. */
  ownItem(userId: string, id: string): string | undefined {
    const row = this.#keeper.get(id)?.row;
    return row?.userId === userId ? row.jumpItemId : undefined;
  }

  /** A one-time ticket for the viewer link of the user's own session (wire 4.9); waits for a relay that is just starting. */
  async attach(user: { id: string; loginSession: string }, id: string): Promise<{ ticket: string; expiresAtMs: number }> {
    const session = this.#keeper.get(id);
    if (session === undefined || session.row.userId !== user.id) {
      if (rows.sessionById(this.#options.store, id)?.userId === user.id) throw errors.alreadyEnded();
      throw notFound();
    }
    const waiting = { ...user, isCut: false };
    this.#attaching.add(waiting);
    await this.#keeper.whenOpened(session, ATTACH_WAIT_MS);
    this.#attaching.delete(waiting);
    if (session.ended !== undefined) throw errors.alreadyEnded();
    // Who was cut off while waiting must not get a ticket that is younger than the cut.
    if (waiting.isCut || !this.#options.mayJump(user.id, session.row.jumpItemId)) throw notFound();
    const ticket = this.#keeper.viewerTicket(session, user);
    if (ticket === undefined) throw errors.relayAway();
    return ticket;
  }

  /** Ends a session of the system's own, with the reason of a person who closes theirs. */
  endBySystem(id: string): void {
    const session = this.#keeper.get(id);
    if (session !== undefined) this.#keeper.endBySystem(session, EndReason.user);
  }

  /** Ends a session on a person's word: `ended-by-user` for the user's own, `ended-by-administrator` for another's. */
  end(context: Context, id: string): void {
    const session = this.#keeper.get(id);
    if (session === undefined) throw rows.sessionById(this.#options.store, id) === undefined ? notFound() : errors.alreadyEnded();
    this.#keeper.requestEnd(session, session.row.userId === context.actor.id ? EndReason.user : EndReason.administrator, context);
  }

  /** Whose session it is, ended or not; undefined when there is none. */
  ownerOf(id: string): string | undefined {
    return rows.sessionById(this.#options.store, id)?.userId;
  }

  /** Cuts the viewers of ended login sessions; a disabled user's access sessions end. */
  loginSessionsEnded(event: { user: string; loginSessions: string[]; disabled: boolean }): void {
    for (const loginSession of event.loginSessions) this.#keeper.cut({ kind: 'viewers-cut', loginSession });
    for (const waiting of this.#attaching)
      if (event.loginSessions.includes(waiting.loginSession) || (event.disabled && waiting.id === event.user))
        waiting.isCut = true;
    if (!event.disabled) return;
    this.#keeper.cut({ kind: 'viewers-cut', user: event.user });
    for (const session of this.#keeper.all())
      if (session.row.userId === event.user) this.#keeper.endBySystem(session, EndReason.userDisabled);
  }

  /** Somebody may have lost the right to a Jump Item: whoever has a session on it is cut off, and the session ends. */
  rightsChanged(): void {
    for (const session of this.#keeper.all()) {
      const { id, userId, jumpItemId, endRequested } = session.row;
      if (endRequested !== null || this.#options.mayJump(userId, jumpItemId)) continue;
      this.#keeper.cut({ kind: 'viewers-cut', session: id });
      this.#keeper.endBySystem(session, EndReason.userDisabled);
    }
  }

  /** Sessions that have not ended, with live figures, newest first; of one user, or all. */
  active(ownerId?: string): AccessSessionRow[] {
    const sessions = [...this.#keeper.all()].filter(({ row }) => ownerId === undefined || row.userId === ownerId);
    return sessions.map(({ row }) => this.#toApi(row)).reverse();
  }

  /** One page of all sessions, newest first. */
  page(filter: SessionFilter): { sessions: AccessSessionRow[]; more: boolean } {
    const found = rows.findSessions(this.#options.store, filter);
    return { sessions: found.slice(0, filter.limit).map((row) => this.#toApi(row)), more: found.length > filter.limit };
  }

  /** One session with its recording's file (relative to the recordings directory), or undefined. */
  find(id: string): { session: AccessSessionRow; recordingFile: string } | undefined {
    const row = rows.sessionById(this.#options.store, id);
    return row && { session: this.#toApi(row), recordingFile: row.recordingFile };
  }

  #checkLimits(userId: string, itemId: string): void {
    const sessions = [...this.#keeper.all()];
    const { user, item, site } = this.#limits;
    if (sessions.filter(({ row }) => row.userId === userId).length >= user) throw errors.limitReached('user', user);
    if (sessions.filter(({ row }) => row.jumpItemId === itemId).length >= item) throw errors.limitReached('item', item);
    if (sessions.length >= site) throw errors.limitReached('site', site);
  }

  #newRow(user: { id: string; name: string }, target: SessionTarget, size: TerminalSize, address: string): SessionRow {
    const nowMs = this.#now();
    const id = newId('accessSession', nowMs);
    return {
      id,
      state: 'starting',
      userId: user.id,
      userName: user.name,
      jumpItemId: target.id,
      jumpItemName: target.name,
      hostName: target.hostName,
      runsAs: target.runsAs,
      fromAddress: address,
      startedAtMs: nowMs,
      cols: size.cols,
      rows: size.rows,
      recordsInput: this.#options.settings().recordInput ? 1 : 0,
      recordingFile: `${id}.bsr`,
      endRequested: null,
      detachedSinceMs: null,
      awaySinceMs: null,
      endedAtMs: null,
      endReason: null,
      exitCode: null,
      outBytes: 0,
      inBytes: 0,
      recordingBytes: null,
      headSha256: null,
    };
  }

  #toApi(row: SessionRow): AccessSessionRow {
    const session = this.#keeper.get(row.id);
    return {
      id: row.id,
      state: row.state,
      userName: row.userName,
      userId: row.userId,
      jumpItemId: row.jumpItemId,
      jumpItemName: row.jumpItemName,
      hostName: row.hostName,
      runsAs: row.runsAs,
      fromAddress: row.fromAddress,
      startedAtMs: row.startedAtMs,
      endedAtMs: row.endedAtMs,
      endReason: row.endReason,
      exitCode: row.exitCode,
      outBytes: session?.outBytes ?? row.outBytes,
      inBytes: session?.inBytes ?? row.inBytes,
      recordingBytes: row.recordingBytes,
      viewers: session?.viewers ?? 0,
      agentConnected: session?.agentConnected ?? false,
      paused: session?.paused ?? false,
      recordsInput: row.recordsInput === 1,
    };
  }
}
