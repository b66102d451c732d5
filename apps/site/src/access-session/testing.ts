/** For tests of access sessions: a relay and clients that say what the test tells them to. The real ones are in test/faults. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@bascule/core/ids.ts';
import type { Principal } from '@bascule/http/principal.ts';
import { createLog } from '@bascule/log/log.ts';
import type { HeldSession, ToClient } from '@bascule/protocol/control-link.ts';
import { RELAY_LINE_MAX_BYTES, toRelay, type FromRelay, type ToRelay } from '@bascule/protocol/relay-control.ts';
import { readAudit } from '@bascule/store/audit.ts';
import type { Context } from '@bascule/store/store.ts';
import { openTestStore } from '@bascule/store/testing.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { Policy } from '../policy/policy.ts';
import {
  AccessSessions,
  accessSessionMigrations,
  type AccessSessionsOptions,
  type ClientMessage,
  type SessionTarget,
} from './access-session.ts';

type ToRelayOf<K extends ToRelay['kind']> = Extract<ToRelay, { kind: K }>;
const WAIT_LIMIT_MS = 5000;

/** The relay's end of its control socket. Opens every recording by itself unless `opens` is false. */
export class ScriptedRelay implements AsyncDisposable {
  readonly path: string;
  readonly received: ToRelay[] = [];
  opens = true;
  recordedBytes = 0;
  #server: Server | undefined;
  #socket: Socket | undefined;
  #news = new EventTarget();

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      this.#socket = socket;
      socket.on('error', () => socket.destroy());
      readJsonLines(socket, RELAY_LINE_MAX_BYTES, (value) => this.#take(toRelay.parse(value)));
    });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  /** What a SIGKILL of the relay is to main: the connection ends, and nobody listens. */
  async kill(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close');
    this.#server?.close();
    this.#socket?.destroy();
    await closed;
    this.#server = undefined;
    this.received.length = 0;
  }

  say(message: FromRelay): void {
    if (this.#socket !== undefined) writeJsonLine(this.#socket, message);
  }

  of<K extends ToRelay['kind']>(kind: K): ToRelayOf<K>[] {
    return this.received.filter((message): message is ToRelayOf<K> => message.kind === kind);
  }

  /** Waits for the message of this kind number `count`, and answers it. */
  async next<K extends ToRelay['kind']>(kind: K, count = 1): Promise<ToRelayOf<K>> {
    for (;;) {
      const found = this.of(kind)[count - 1];
      if (found !== undefined) return found;
      await once(this.#news, 'news', { signal: AbortSignal.timeout(WAIT_LIMIT_MS) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server !== undefined) await this.kill();
  }

  #take(message: ToRelay): void {
    this.received.push(message);
    if (message.kind === 'configure') this.say({ kind: 'configured' });
    if (message.kind === 'session-open' && this.opens) {
      this.say({ kind: 'session-opened', session: message.session, recordedBytes: this.recordedBytes, repaired: false });
    }
    this.#news.dispatchEvent(new Event('news'));
  }
}

/** All Jump Clients: keeps what they are sent, and says what the test wants. */
export class ScriptedClients {
  readonly sent: { client: string; message: ToClient }[] = [];
  readonly counts = new Map<string, number>();
  isOnline = true;
  #sessions: ((client: string, held: HeldSession[]) => void)[] = [];
  #messages: ((client: string, message: ClientMessage) => void)[] = [];
  #cuts: ((client: string, reason: string) => void)[] = [];

  sendToClient(client: string, message: ToClient): boolean {
    if (this.isOnline) this.sent.push({ client, message });
    return this.isOnline;
  }
  noteSessionCount(client: string, count: number): void {
    this.counts.set(client, count);
  }
  onClientSessions(listener: (client: string, held: HeldSession[]) => void): void {
    this.#sessions.push(listener);
  }
  onClientMessage(listener: (client: string, message: ClientMessage) => void): void {
    this.#messages.push(listener);
  }
  onClientCut(listener: (client: string, reason: string) => void): void {
    this.#cuts.push(listener);
  }

  /** The client connects, holding these sessions. */
  hello(client: string, ...sessions: string[]): void {
    for (const listener of this.#sessions)
      listener(
        client,
        sessions.map((session) => ({ session, outStart: 0, outEnd: 0, exited: false })),
      );
  }
  say(client: string, message: ClientMessage): void {
    for (const listener of this.#messages) listener(client, message);
  }
  cut(client: string): void {
    for (const listener of this.#cuts) listener(client, 'revoked');
  }
  kinds(): string[] {
    return this.sent.map(({ message }) => message.kind);
  }
}

/** Access sessions with a scripted relay and clients, and a clock that the test moves. */
export class SessionBench implements AsyncDisposable {
  nowMs = Date.UTC(2026, 10, 21);
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-sessions-'));
  readonly database = openTestStore(accessSessionMigrations, { now: () => this.nowMs });
  readonly relay = new ScriptedRelay(join(this.directory, 'relay.sock'));
  readonly policy = new Policy({ groupIdsOfUser: () => ['jg_one'] });
  readonly settings = { notResumedMinutes: 60, clientAwayMinutes: 30, recordInput: false, recordingMaxMebibytes: 64 };
  readonly item: SessionTarget = {
    id: newId('jumpClient'),
    groupId: 'jg_one',
    name: 'web01',
    hostName: 'web01.example',
    runsAs: 'root',
    state: 'approved',
    online: true,
  };
  readonly user = principalOf('anna', 'user');
  readonly administrator = principalOf('boss', 'administrator');
  clients = new ScriptedClients();
  sessions: AccessSessions;
  changes = 0;
  certificate = 'certificate';
  mayJump: (userId: string, itemId: string) => boolean = () => true;
  #options: Partial<AccessSessionsOptions>;

  constructor(options: Partial<AccessSessionsOptions> = {}) {
    this.#options = options;
    this.sessions = this.#make();
  }

  async start(): Promise<void> {
    await this.relay.start();
    this.sessions.start();
    await this.relay.next('configure');
    await this.settled();
  }

  /** What a SIGKILL of the relay is to main, once main has noticed. */
  async killRelay(): Promise<void> {
    await this.relay.kill();
    const deadline = AbortSignal.timeout(WAIT_LIMIT_MS);
    while (this.sessions.relayReady) {
      deadline.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What a SIGKILL of main, and its next start, is to everybody else: memory is gone, links are new. */
  async restartMain(): Promise<void> {
    this.sessions.close();
    this.relay.received.length = 0;
    this.clients = new ScriptedClients();
    this.sessions = this.#make();
    this.sessions.start();
    await this.relay.next('configure');
    await this.settled();
  }

  open(principal = this.user, item = this.item): Promise<string> {
    const grant = this.policy.authorizeItem(principal, 'jump-items.jump', item);
    if (grant === undefined) throw new Error('policy says no');
    return this.sessions.open(grant, { cols: 80, rows: 24 }, contextOf(principal));
  }

  /** Opens a session and lets its agent and one viewer connect. */
  async openLive(principal = this.user, item = this.item): Promise<string> {
    const session = await this.open(principal, item);
    this.relay.say({ kind: 'agent-link', session, connected: true });
    this.relay.say({ kind: 'viewers', session, count: 1 });
    await this.settled();
    return session;
  }

  /** The relay's answer to `session-end`. */
  sayEnded(session: string, reason: Extract<FromRelay, { kind: 'session-ended' }>['reason']): void {
    const figures = {
      exitCode: null,
      endedAtMs: this.nowMs,
      outBytes: 10,
      inBytes: 4,
      recordingBytes: 500,
      headSha256: 'ab'.repeat(32),
    };
    this.relay.say({ kind: 'session-ended', session, reason, ...figures });
  }

  pass(minutes: number): void {
    this.nowMs += minutes * 60_000;
    this.sessions.tick();
  }

  /** Resolves when main has read everything that the relay has said: a message and its effect, there and back. */
  async settled(): Promise<void> {
    const before = this.relay.of('configure').length;
    const probe = newId('accessSession');
    this.relay.say({
      kind: 'session-ended',
      session: probe,
      reason: 'ended-by-user',
      exitCode: null,
      endedAtMs: 0,
      outBytes: 0,
      inBytes: 0,
      recordingBytes: 0,
      headSha256: '0'.repeat(64),
    });
    const deadline = AbortSignal.timeout(WAIT_LIMIT_MS);
    while (!this.relay.of('session-forget').some(({ session }) => session === probe)) {
      deadline.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.relay.of('configure').length < before) throw new Error('bug: the relay lost messages');
  }

  row(session: string) {
    const found = this.sessions.find(session);
    if (found === undefined) throw new Error('no such session');
    return found.session;
  }

  auditCodes(): string[] {
    return readAudit(this.database.store, { limit: 200 })
      .map(({ code }) => code)
      .reverse();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sessions.close();
    await this.relay[Symbol.asyncDispose]();
    this.database[Symbol.dispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #make(): AccessSessions {
    return new AccessSessions({
      store: this.database.store,
      clients: this.clients,
      relaySocket: this.relay.path,
      linkTls: () => ({ key: 'key', certificate: this.certificate, authority: 'authority', ticketKeys: Buffer.alloc(48) }),
      appliance: 'test',
      settings: () => this.settings,
      mayJump: (userId, itemId) => this.mayJump(userId, itemId),
      changed: () => (this.changes += 1),
      log: createLog('test', 'silent'),
      now: () => this.nowMs,
      ...this.#options,
    });
  }
}

function principalOf(name: string, role: Principal['role']): Principal {
  return {
    id: newId('user'),
    name,
    displayName: name,
    role,
    state: 'ok',
    loginSession: newId('loginSession'),
    csrf: '',
    language: 'en',
  };
}

export function contextOf(principal: Principal): Context {
  return { actor: { kind: 'user', id: principal.id, name: principal.name }, address: '192.0.2.7' };
}
