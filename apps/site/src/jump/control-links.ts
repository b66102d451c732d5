import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { Log } from '@bascule/log/log.ts';
import { PROTOCOL_VERSIONS, type RefusalCode, type ToClient } from '@bascule/protocol/control-link.ts';
import { CloseCode } from '@bascule/protocol/data-link.ts';
import { EnrolmentRefused } from './jump-errors.ts';
import type { ClientState } from './jump-store.ts';
import {
  Link,
  parseFromClient,
  type AcceptedExtras,
  type Enrol,
  type Hello,
  type LinkCertificate,
  type LinkDirectory,
  type LinkOwner,
  type LinkSocket,
  type LinkState,
} from './link.ts';
import { clientIdOf } from './link-certificate.ts';
import { LinkConflicts, type LinkConflict } from './link-conflicts.ts';
import { LinkGate } from './link-gate.ts';
import { LinkWheel, LONGEST_ROUND_TICKS } from './link-wheel.ts';
import { WindowLimit } from './window-limit.ts';
import { reconnectWindows, returnWindows } from './reconnect-pacing.ts';
import type { LinkTls } from './site-identity.ts';

/** Control links at most; below the usual limit of descriptors of a process. */
export const LINKS_LIMIT = 19_000;
/** Links without a certificate at most: they can only enrol, and anyone may make them. */
export const ENROLLING_LIMIT = 256;
/** A link that has not said `enrol` or `hello` by then is dropped. */
export const FIRST_MESSAGE_LIMIT_S = 10;
/** Messages of one link in the longest round of pings (30 s); fewer in a shorter one. */
export const MESSAGES_PER_ROUND = 1000;
/** What may wait in one link's send buffer; a client that reads slower than that is dropped. */
export const SEND_BUFFER_LIMIT_BYTES = 1024 * 1024;
const RETRY_MS = {
  revoked: 60 * 60_000,
  'token-invalid': 0,
  'version-unsupported': 60 * 60_000,
  'duplicate-identity': 10 * 60_000,
  malformed: 60_000,
  busy: 5_000,
} as const;
/** How long the close frames get to leave when the program stops. */
const CLOSE_FLUSH_MS = 100;
const CLOSE_CHECK_MS = 2;

/** Of the program that serves the scratch copy in a test of the standby: it takes nobody but the chosen clients, by an ALPN of its own, and enrols nobody. */
export interface LinksOfRehearsal {
  alpn: string;
  clients: ReadonlySet<string>;
}

/** The server side of all control links (wire section 3): handshake, hello, presence, conflicts. Presence is memory. */
export class ControlLinks {
  #directory: LinkDirectory;
  #log: Log;
  #now: () => number;
  #appliance: string;
  #version: string | undefined;
  readonly #isExpected: (clientId: string) => boolean;
  #gate: LinkGate;
  #wheel: LinkWheel<Link>;
  #links = new Map<string, Link>();
  #conflicts = new LinkConflicts();
  /** Links before their first message, oldest first, and the tick at which each was opened: pings of theirs do not count. */
  #pending = new Map<Link, number>();
  #all = new Set<Link>();
  #enrolling = 0;
  #enrolmentLimit: WindowLimit;
  #closing = false;
  #owner: LinkOwner = {
    heard: (link) => void this.#heard(link),
    received: (link, data, binary) => this.#received(link, data, binary),
    closed: (link) => this.#closed(link),
  };

  constructor(options: {
    directory: LinkDirectory;
    tls: LinkTls;
    ticketKeys: Buffer;
    appliance: string;
    version?: string;
    rehearsal?: LinksOfRehearsal | undefined;
    /** Whether clients were promised signs of life between pings. */
    beats(): boolean;
    log: Log;
    now: () => number;
  }) {
    this.#directory = options.directory;
    this.#log = options.log;
    this.#now = options.now;
    this.#appliance = options.appliance;
    this.#version = options.version;
    const { rehearsal } = options;
    this.#isExpected = (clientId) => rehearsal === undefined || rehearsal.clients.has(clientId);
    this.#enrolmentLimit = new WindowLimit({ windowMs: 1000, perKey: 200, inAll: 500, now: options.now });
    this.#gate = new LinkGate({
      ...options,
      alpn: rehearsal?.alpn,
      hasRoom: (hasCertificate) =>
        this.#all.size < LINKS_LIMIT &&
        (hasCertificate || (this.#enrolling < ENROLLING_LIMIT && rehearsal === undefined)) &&
        !this.#closing,
      opened: (webSocket, socket, certificate) => this.#opened(webSocket, socket, certificate),
      // Nobody fetches anything in a test.
      request: (clientId, request, response) => {
        if (rehearsal === undefined) this.#directory.request(clientId, request, response);
        else response.writeHead(404, { connection: 'close' }).end();
      },
      refused: (event) => this.#directory.refused(event),
    });
    this.#wheel = new LinkWheel(
      () => this.#onTick(),
      () => options.beats(),
    );
  }

  /** Takes over a connection whose first bytes (`head`) were read already; nothing of it was answered. */
  accept(socket: Socket, head: Uint8Array): void {
    if (this.#closing || this.#all.size >= LINKS_LIMIT) {
      socket.destroy();
      return;
    }
    this.#gate.accept(socket, head);
  }

  /** New connections get this certificate; links that stand keep theirs. */
  setTls(tls: LinkTls): void {
    this.#gate.setTls(tls);
  }

  /** A client that was silent so long is dropped; it is asked three times before. */
  setSilenceLimit(seconds: number): void {
    this.#wheel.setSilenceLimit(seconds);
  }

  get online(): number {
    return this.#links.size;
  }

  isOnline(clientId: string): boolean {
    return this.#links.has(clientId);
  }

  /** Since when the client's link is there, milliseconds since the epoch. */
  onlineSinceMs(clientId: string): number | undefined {
    return this.#links.get(clientId)?.sinceMs;
  }

  /** Sends to the client's live link; false when there is none. */
  send(clientId: string, message: ToClient): boolean {
    const link = this.#links.get(clientId);
    if (link === undefined) return false;
    return this.#send(link, message);
  }

  /** Tells client, and a held second link of it, what the site makes of it now. */
  tellState(clientId: string, state: Exclude<LinkState, 'held'>): void {
    this.send(clientId, { kind: 'state', state });
  }

  /** Cuts every link of the client off at once, saying why. */
  cut(clientId: string): void {
    for (const link of [this.#links.get(clientId), this.#conflicts.heldLink(clientId)]) {
      if (link !== undefined) this.#refuse(link, 'revoked', 'An administrator has revoked or deleted this Jump Client.');
    }
  }

  /** Both sides of every conflict; the older side's facts are with the directory. */
  conflicts(): LinkConflict[] {
    return this.#conflicts.list((clientId) => this.#links.get(clientId));
  }

  /** Whether two links of the client stand. */
  hasConflict(clientId: string): boolean {
    return this.#conflicts.heldLink(clientId) !== undefined;
  }

  get conflictCount(): number {
    return this.#conflicts.count;
  }

  /** Ends a conflict: the other side is refused, and its running program not let in again. False when there is none. */
  decide(clientId: string, keep: 'older' | 'newer'): boolean {
    const newer = this.#conflicts.heldLink(clientId);
    const older = this.#links.get(clientId);
    if (newer === undefined || older === undefined) return false;
    const loser = keep === 'older' ? newer : older;
    this.#conflicts.rememberLoser(loser);
    if (keep === 'newer') this.#directory.replaced(clientId);
    this.#refuse(
      loser,
      'duplicate-identity',
      'Another machine uses the same identity, and an administrator has decided for it. Enrol this one anew.',
    );
    return true;
  }

  /** Ids of the clients whose links came last, newest first. */
  latestOnline(limit: number): string[] {
    const links = [...this.#links.values()].sort((one, other) => other.sinceMs - one.sinceMs);
    return links.slice(0, limit).map((link) => link.clientId);
  }

  /**
   * Ends all links, so that the clients come back (to the next program): as they were told when they were accepted, or, with `hasSession`, as soon as the next program can take
   * them, those with a session before all others.
   */
  async close(hasSession?: (clientId: string) => boolean): Promise<void> {
    this.#closing = true;
    this.#wheel.close();
    if (hasSession !== undefined) this.#callBack(hasSession);
    for (const link of this.#all) link.socket.close(CloseCode.restarting);
    const endMs = performance.now() + CLOSE_FLUSH_MS;
    while (this.#all.size > 0 && performance.now() < endMs) await delay(CLOSE_CHECK_MS);
    for (const link of this.#all) link.socket.terminate();
    this.#gate.close();
  }

  #callBack(hasSession: (clientId: string) => boolean): void {
    const links = [...this.#links.values()];
    const [urgent, others] = [
      links.filter((link) => hasSession(link.clientId)),
      links.filter((link) => !hasSession(link.clientId)),
    ];
    const { first, rest } = returnWindows(urgent.length, others.length);
    for (const link of urgent) this.#send(link, { kind: 'come-back', ...first });
    for (const link of others) this.#send(link, { kind: 'come-back', ...rest });
  }

  #opened(webSocket: LinkSocket, socket: TLSSocket, certificate: LinkCertificate | undefined): void {
    const link = new Link(webSocket, socket, certificate, this.#owner);
    link.phase = certificate === undefined ? 'enrolling' : 'new';
    if (certificate === undefined) this.#enrolling += 1;
    this.#all.add(link);
    this.#pending.set(link, this.#wheel.tick);
    this.#wheel.add(link);
    this.#send(link, {
      kind: 'welcome',
      challenge: link.challenge,
      appliance: this.#appliance,
      ...(this.#version !== undefined && { version: this.#version }),
    });
  }

  #heard(link: Link): boolean {
    link.heardTick = this.#wheel.tick;
    link.messages += 1;
    const limit = Math.ceil((MESSAGES_PER_ROUND * this.#wheel.roundTicks) / LONGEST_ROUND_TICKS);
    if (link.messages <= limit) return true;
    this.#refuse(link, 'busy', `More than ${limit} messages in ${this.#wheel.roundTicks} seconds.`);
    return false;
  }

  #received(link: Link, data: Buffer, binary: boolean): void {
    if (link.phase === 'closed' || !this.#heard(link)) return;
    const message = parseFromClient(data, binary);
    if (typeof message === 'string') return this.#refuse(link, 'malformed', message);
    if (link.phase === 'enrolling') {
      if (message.kind !== 'enrol')
        return this.#refuse(link, 'malformed', `kind: without a client certificate only enrol is allowed, not ${message.kind}`);
      link.phase = 'hello';
      void this.#enrol(link, message);
    } else if (link.phase === 'new') {
      if (message.kind !== 'hello')
        return this.#refuse(link, 'malformed', `kind: the first message must be hello, not ${message.kind}`);
      this.#hello(link, message);
    } else if (message.kind === 'hello' || message.kind === 'enrol') {
      this.#refuse(link, 'malformed', `kind: ${message.kind} is only allowed as the first message`);
    } else if (link.phase === 'live') {
      this.#directory.message(link.clientId, message);
    } else if (link.phase === 'held' && message.kind === 'goodbye') {
      link.socket.close();
    }
  }

  async #enrol(link: Link, message: Enrol): Promise<void> {
    const address = link.address;
    this.#pending.delete(link);
    if (!this.#enrolmentLimit.take(address)) return this.#refuse(link, 'busy', 'Too many enrolments at once: try again later.');
    try {
      const enrolled = await this.#directory.enrol(message, link.challenge, address);
      this.#send(link, { kind: 'enrolled', ...enrolled });
      link.socket.close(1000);
    } catch (error) {
      if (error instanceof EnrolmentRefused) {
        const { message: told, retryAfterMs = 0 } = error.told ?? {};
        this.#refuse(
          link,
          retryAfterMs > 0 ? 'busy' : 'token-invalid',
          told ?? 'The installer token is not valid (any more), or not for this appliance: ask an administrator for a new one.',
        );
      } else {
        this.#log.error({ err: error }, 'enrolment-failed');
        this.#refuse(link, 'busy', 'The enrolment could not be stored: try again later.');
      }
    }
  }

  #hello(link: Link, hello: Hello): void {
    const certificate = link.certificate;
    const clientId = clientIdOf(certificate);
    const address = link.address;
    this.#pending.delete(link);
    if (certificate === undefined || clientId === undefined) {
      this.#directory.refused({ reason: 'no client id in the certificate', address, certificate: certificate?.subject ?? '' });
      return this.#refuse(link, 'revoked', 'The certificate names no Jump Client.');
    }
    // A resumed TLS session is not checked against the clock again.
    if (certificate.endMs <= this.#now()) {
      this.#directory.refused({ reason: 'CERT_HAS_EXPIRED', address, certificate: certificate.subject });
      return this.#refuse(link, 'revoked', 'The certificate of this Jump Client has expired: enrol it anew.');
    }
    if (!this.#isExpected(clientId)) return this.#refuse(link, 'busy', 'This is a test of the standby, for other Jump Clients.');
    const version = negotiatedVersion(hello);
    if (version < 0)
      return this.#refuse(link, 'version-unsupported', `This appliance speaks protocol version ${PROTOCOL_VERSIONS.join(', ')}.`);
    if (this.#conflicts.hasLost(clientId, hello.instance)) {
      return this.#refuse(
        link,
        'duplicate-identity',
        'Another machine uses the same identity, and an administrator has decided for it. Enrol this one anew.',
      );
    }
    // Before it can be held, too: nobody is asked to choose between the machine and a forger.
    if (!this.#hasItsKey(link, clientId, certificate)) return;
    link.clientId = clientId;
    link.instance = hello.instance;
    link.challenge = '';
    link.sinceMs = this.#now();
    const older = this.#links.get(clientId);
    // Before it is admitted: what a held link says of itself must not replace the facts of the machine that works.
    if (older !== undefined && older.instance !== hello.instance) return this.#hold(link, hello, version);
    const state = this.#admit(link, hello);
    if (state === undefined) return;
    if (state === 'revoked') return this.#refuse(link, 'revoked', 'An administrator has revoked or deleted this Jump Client.');
    if (older !== undefined) this.#abandon(older, CloseCode.replaced);
    this.#makeLive(link, hello, version, state);
  }

  /** Whether the link's key is that of the client which its certificate names; it was refused if not. */
  #hasItsKey(link: Link, clientId: string, certificate: LinkCertificate): boolean {
    try {
      if (this.#directory.isKeyOf(clientId, () => link.publicKey())) return true;
    } catch (error) {
      this.#log.error({ err: error, client: clientId }, 'client-key-not-compared');
      this.#refuse(link, 'busy', 'The key of this Jump Client could not be looked up: try again later.');
      return false;
    }
    const reason = 'another key than that of this Jump Client';
    this.#directory.refused({ reason, address: link.address, certificate: certificate.subject });
    this.#refuse(
      link,
      'duplicate-identity',
      'The certificate names a Jump Client that has another key: enrol this machine anew.',
    );
    return false;
  }

  /** What the site makes of the client; undefined when it was refused: it could not be stored (a full disk must not end the site), or there is no room for it. */
  #admit(link: Link, hello: Hello): ClientState | undefined {
    try {
      const state = this.#directory.admit(link.clientId, hello, () => link.publicKey(), link.address);
      if (state !== 'no-room') return state;
    } catch (error) {
      this.#log.error({ err: error, client: link.clientId }, 'client-not-admitted');
      this.#refuse(link, 'busy', 'This Jump Client could not be stored: try again later.');
      return undefined;
    }
    this.#refuse(link, 'busy', 'Too many Jump Clients that are unknown here wait to be confirmed by an administrator.');
    return undefined;
  }

  #makeLive(link: Link, hello: Hello, version: number, state: Exclude<ClientState, 'revoked'>): void {
    link.phase = 'live';
    this.#links.set(link.clientId, link);
    this.#accepted(link, version, state, hello, this.#directory.extras(link.clientId, hello));
    void this.#renewCertificate(link, hello, version, state);
    this.#directory.linked(link.clientId, hello);
  }

  /** A client whose certificate nears its end gets a new one; when that fails, it is tried again at its next connect. */
  async #renewCertificate(link: Link, hello: Hello, version: number, state: LinkState): Promise<void> {
    try {
      if (link.certificate === undefined) return;
      const renewed = await this.#directory.renew(link.clientId, link.certificate, () => link.publicKey());
      if (renewed !== undefined && link.phase === 'live') this.#accepted(link, version, state, hello, { certificate: renewed });
    } catch (error) {
      this.#log.error({ err: error, client: link.clientId }, 'client-certificate-not-renewed');
    }
  }

  #accepted(
    link: Link,
    version: number,
    state: LinkState,
    hello: Hello,
    extras: AcceptedExtras & { certificate?: string } = {},
  ): void {
    const reconnect = reconnectWindows(this.#directory.clientCount());
    this.#log.debug({ client: link.clientId, state, sessions: hello.sessions.length }, 'client-linked');
    this.#send(link, {
      kind: 'accepted',
      version,
      state,
      reconnect,
      serverTimeMs: this.#now(),
      ...extras,
    });
  }

  /** wire 3.5: the newer of two links with one identity waits for a decision, while the older one is asked whether it lives. */
  #hold(link: Link, hello: Hello, version: number): void {
    const clientId = link.clientId;
    const waiting = this.#conflicts.heldLink(clientId);
    if (waiting !== undefined) {
      if (waiting.instance !== link.instance)
        return this.#refuse(link, 'duplicate-identity', 'Two other machines already use this identity.');
      this.#abandon(waiting, CloseCode.replaced);
    }
    this.#conflicts.hold(link, hello, this.#links.get(clientId)!, this.#wheel.tick);
    this.#accepted(link, version, 'held', hello);
    this.#directory.conflictsChanged(clientId);
  }

  /** The older link is gone: the held one takes its place. */
  #promote(clientId: string): void {
    const held = this.#conflicts.take(clientId);
    if (held === undefined) return;
    const { link, hello } = held;
    const state = this.#admit(link, hello);
    if (state === undefined) return;
    if (state === 'revoked') return this.#refuse(link, 'revoked', 'An administrator has revoked or deleted this Jump Client.');
    this.#makeLive(link, hello, negotiatedVersion(hello), state);
    this.#directory.conflictsChanged(clientId);
  }

  #onTick(): void {
    const tick = this.#wheel.tick;
    for (const [link, openedTick] of this.#pending) {
      if (tick - openedTick < FIRST_MESSAGE_LIMIT_S) break;
      link.socket.terminate();
    }
    for (const [clientId, askedTick] of this.#conflicts.dueProbes(tick)) {
      const older = this.#links.get(clientId);
      if (older !== undefined && older.heardTick < askedTick) older.socket.terminate();
    }
  }

  /** Takes a link out of its place before another takes it, so that its closing changes nothing. */
  #abandon(link: Link, code: number): void {
    link.phase = 'closed';
    if (this.#links.get(link.clientId) === link) this.#links.delete(link.clientId);
    this.#conflicts.remove(link);
    link.socket.close(code);
  }

  #closed(link: Link): void {
    const phase = link.phase;
    this.#pending.delete(link);
    this.#all.delete(link);
    this.#wheel.remove(link);
    if (link.certificate === undefined) this.#enrolling -= 1;
    this.#detach(link);
    link.phase = 'closed';
    if (this.#closing) return;
    if (phase === 'live') this.#log.debug({ client: link.clientId }, 'client-unlinked');
  }

  /** Ends what the link stood for: presence, or a conflict. */
  #detach(link: Link): void {
    const clientId = link.clientId;
    if (this.#links.get(clientId) === link) {
      this.#links.delete(clientId);
      this.#directory.unlinked(clientId);
      this.#promote(clientId);
    } else if (this.#conflicts.remove(link)) {
      this.#directory.conflictsChanged(clientId);
    }
  }

  #refuse(link: Link, code: RefusalCode, message: string): void {
    if (link.phase === 'closed') return;
    const record = code === 'revoked' && link.clientId !== '' ? this.#directory.refusalRecord(link.clientId) : undefined;
    this.#send(link, {
      kind: 'refused',
      code,
      message: message.slice(0, 500),
      retryAfterMs: RETRY_MS[code],
      ...(record !== undefined && { record }),
    });
    link.phase = 'closed';
    this.#detach(link);
    link.socket.close(code === 'malformed' ? CloseCode.protocol : 1000);
  }

  #send(link: Link, message: ToClient): boolean {
    if (link.phase === 'closed' || link.socket.readyState !== link.socket.OPEN) return false;
    if (link.socket.bufferedAmount > SEND_BUFFER_LIMIT_BYTES) {
      link.socket.terminate();
      return false;
    }
    link.socket.send(JSON.stringify(message));
    return true;
  }
}

/** The newest version that both sides speak; -1 when there is none. */
function negotiatedVersion(hello: Hello): number {
  return Math.max(-1, ...PROTOCOL_VERSIONS.filter((ours) => hello.versions.includes(ours)));
}
