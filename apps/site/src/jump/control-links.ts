import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { idPattern } from '@bascule/core/ids.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  CONTROL_MESSAGE_MAX_BYTES,
  LINK_ALPN,
  PROTOCOL_VERSIONS,
  type RefusalCode,
  type ToClient,
} from '@bascule/protocol/control-link.ts';
import { CloseCode } from '@bascule/protocol/data-link.ts';
import { acceptWebSocket, refuseUpgrade } from '@bascule/wire/web-socket.ts';
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
  type LinkSide,
  type LinkSocket,
  type LinkState,
} from './link.ts';
import { createLinkServer, linkContext } from './link-server.ts';
import { LinkWheel } from './link-wheel.ts';
import { WindowLimit } from './window-limit.ts';
import { reconnectWindows, returnWindows } from './reconnect-pacing.ts';
import type { LinkTls } from './site-identity.ts';

/** Control links at most; below the usual limit of descriptors of a process. */
export const LINKS_LIMIT = 19_000;
/** Links without a certificate at most: they can only enrol, and anyone may make them. */
export const ENROLLING_LIMIT = 256;
/** A link that has not said `enrol` or `hello` by then is dropped. */
export const FIRST_MESSAGE_LIMIT_S = 10;
/** Messages of one link in one round of pings (30 s). */
export const MESSAGES_PER_ROUND = 1000;
/** What may wait in one link's send buffer; a client that reads slower than that is dropped. */
export const SEND_BUFFER_LIMIT_BYTES = 1024 * 1024;
/** An older link that does not answer within this makes way for a newer one with the same identity. */
export const CONFLICT_PROBE_S = 5;
const RETRY_MS = {
  revoked: 60 * 60_000,
  'token-invalid': 0,
  'version-unsupported': 60 * 60_000,
  'duplicate-identity': 10 * 60_000,
  malformed: 60_000,
  busy: 5_000,
} as const;
/** Refused instances of decided conflicts that are remembered. */
const DECIDED_LIMIT = 1000;
/** What is kept, and written to the audit, of a certificate's subject. */
const SUBJECT_MAX_LENGTH = 200;
const CLIENT_ID = idPattern('jumpClient');
/** How long the close frames get to leave when the program stops. */
const CLOSE_FLUSH_MS = 100;
const CLOSE_CHECK_MS = 2;

/** The server side of all control links (wire section 3): handshake, hello, presence, conflicts. Presence is memory. */
export class ControlLinks {
  #directory: LinkDirectory;
  #log: Log;
  #now: () => number;
  #appliance: string;
  #server: Server;
  #ticketKeys: Buffer;
  #wheel: LinkWheel<Link>;
  #links = new Map<string, Link>();
  #held = new Map<string, Link>();
  /** Links before their first message, oldest first, and the tick at which each was opened: pings of theirs do not count. */
  #pending = new Map<Link, number>();
  #all = new Set<Link>();
  #enrolling = 0;
  #probes = new Map<string, number>();
  #decided = new Set<string>();
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
    log: Log;
    now: () => number;
  }) {
    this.#directory = options.directory;
    this.#log = options.log;
    this.#now = options.now;
    this.#appliance = options.appliance;
    this.#enrolmentLimit = new WindowLimit({ windowMs: 1000, perKey: 200, inAll: 500, now: options.now });
    this.#ticketKeys = options.ticketKeys;
    this.#server = createLinkServer(options.tls, options.ticketKeys, options.log);
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(request, socket as TLSSocket, head),
    );
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#request(request, response));
    this.#wheel = new LinkWheel(() => this.#onTick());
  }

  /** Takes over a connection whose first bytes (`head`) were read already; nothing of it was answered. */
  accept(socket: Socket, head: Uint8Array): void {
    if (this.#closing || this.#all.size >= LINKS_LIMIT) {
      socket.destroy();
      return;
    }
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    if (head.length > 0) socket.unshift(head);
    this.#server.emit('connection', socket);
  }

  /** New connections get this certificate; links that stand keep theirs. */
  setTls(tls: LinkTls): void {
    this.#server.setSecureContext(linkContext(tls, this.#ticketKeys));
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
    for (const link of [this.#links.get(clientId), this.#held.get(clientId)]) {
      if (link !== undefined) this.#refuse(link, 'revoked', 'An administrator has revoked or deleted this Jump Client.');
    }
  }

  /** Both sides of every conflict; the older side's facts are with the directory. */
  conflicts(): { clientId: string; olderSinceMs: number; olderAddress: string; newer: LinkSide }[] {
    const found = [];
    for (const [clientId, link] of this.#held) {
      const older = this.#links.get(clientId);
      if (older === undefined || link.hello === undefined) continue;
      const facts = link.hello.facts;
      found.push({
        clientId,
        olderSinceMs: older.sinceMs,
        olderAddress: older.address,
        newer: { hostName: facts.hostName, os: facts.os, user: facts.user, address: link.address, sinceMs: link.sinceMs },
      });
    }
    return found;
  }

  get conflictCount(): number {
    return this.#held.size;
  }

  /** Ends a conflict: the other side is refused, and its running program not let in again. False when there is none. */
  decide(clientId: string, keep: 'older' | 'newer'): boolean {
    const newer = this.#held.get(clientId);
    const older = this.#links.get(clientId);
    if (newer === undefined || older === undefined) return false;
    const loser = keep === 'older' ? newer : older;
    this.#rememberDecided(clientId + loser.instance);
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
    this.#server.close();
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

  #rememberDecided(key: string): void {
    if (this.#decided.size >= DECIDED_LIMIT) this.#decided.delete(this.#decided.values().next().value!);
    this.#decided.add(key);
  }

  #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    const certificate = readCertificate(socket);
    if (request.url !== '/link' || socket.alpnProtocol !== LINK_ALPN) return refuseUpgrade(socket, 404);
    if (certificate !== undefined && !socket.authorized) {
      this.#directory.refused({
        reason: String(socket.authorizationError),
        address: socket.remoteAddress ?? '',
        certificate: certificate.subject,
      });
      return refuseUpgrade(socket, 403);
    }
    if (this.#all.size >= LINKS_LIMIT || (certificate === undefined && this.#enrolling >= ENROLLING_LIMIT))
      return refuseUpgrade(socket, 503);
    // The answer and `welcome` leave in one TLS record.
    socket.cork();
    acceptWebSocket(request, socket, head, { maxMessageBytes: CONTROL_MESSAGE_MAX_BYTES }).then(
      (webSocket) => {
        this.#opened(webSocket, socket, certificate);
        socket.uncork();
      },
      (error: Error) => this.#log.debug({ reason: error.message }, 'link-upgrade-failed'),
    );
  }

  /** Plain HTTP over the client's own mutual TLS, beside its link. Whoever is not let in as a client finds nothing. */
  #request(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as TLSSocket;
    const certificate = readCertificate(socket);
    const clientId = certificate && /^CN=(\S+)$/m.exec(certificate.subject)?.[1];
    const isClient = socket.authorized && clientId !== undefined && CLIENT_ID.test(clientId) && certificate!.endMs > this.#now();
    if (!isClient || socket.alpnProtocol !== LINK_ALPN || this.#closing) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    this.#directory.request(clientId, request, response);
  }

  #opened(webSocket: LinkSocket, socket: TLSSocket, certificate: LinkCertificate | undefined): void {
    const link = new Link(webSocket, socket, certificate, this.#owner);
    link.phase = certificate === undefined ? 'enrolling' : 'new';
    if (certificate === undefined) this.#enrolling += 1;
    this.#all.add(link);
    this.#pending.set(link, this.#wheel.tick);
    this.#wheel.add(link);
    this.#send(link, { kind: 'welcome', challenge: link.challenge, appliance: this.#appliance });
  }

  #heard(link: Link): boolean {
    link.heardTick = this.#wheel.tick;
    link.messages += 1;
    if (link.messages <= MESSAGES_PER_ROUND) return true;
    this.#refuse(link, 'busy', `More than ${MESSAGES_PER_ROUND} messages in 30 seconds.`);
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
        this.#refuse(
          link,
          'token-invalid',
          'The installer token is not valid (any more), or not for this appliance: ask an administrator for a new one.',
        );
      } else {
        this.#log.error({ err: error }, 'enrolment-failed');
        this.#refuse(link, 'busy', 'The enrolment could not be stored: try again later.');
      }
    }
  }

  #hello(link: Link, hello: Hello): void {
    const certificate = link.certificate;
    const clientId = certificate && /^CN=(\S+)$/m.exec(certificate.subject)?.[1];
    const address = link.address;
    this.#pending.delete(link);
    if (certificate === undefined || clientId === undefined || !CLIENT_ID.test(clientId)) {
      this.#directory.refused({ reason: 'no client id in the certificate', address, certificate: certificate?.subject ?? '' });
      return this.#refuse(link, 'revoked', 'The certificate names no Jump Client.');
    }
    // A resumed TLS session is not checked against the clock again.
    if (certificate.endMs <= this.#now()) {
      this.#directory.refused({ reason: 'CERT_HAS_EXPIRED', address, certificate: certificate.subject });
      return this.#refuse(link, 'revoked', 'The certificate of this Jump Client has expired: enrol it anew.');
    }
    const version = negotiatedVersion(hello);
    if (version < 0)
      return this.#refuse(link, 'version-unsupported', `This appliance speaks protocol version ${PROTOCOL_VERSIONS.join(', ')}.`);
    if (this.#decided.has(clientId + hello.instance)) {
      return this.#refuse(
        link,
        'duplicate-identity',
        'Another machine uses the same identity, and an administrator has decided for it. Enrol this one anew.',
      );
    }
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

  /** What the site makes of the client; undefined when it could not be stored, and the link was refused: a full disk must not end the site. */
  #admit(link: Link, hello: Hello): ClientState | undefined {
    try {
      return this.#directory.admit(link.clientId, hello, () => link.publicKey(), link.address);
    } catch (error) {
      this.#log.error({ err: error, client: link.clientId }, 'client-not-admitted');
      this.#refuse(link, 'busy', 'This Jump Client could not be stored: try again later.');
      return undefined;
    }
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
      const renewed = await this.#directory.renew(link.clientId, link.certificate?.endMs ?? 0, () => link.publicKey());
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
    const waiting = this.#held.get(clientId);
    if (waiting !== undefined) {
      if (waiting.instance !== link.instance)
        return this.#refuse(link, 'duplicate-identity', 'Two other machines already use this identity.');
      this.#abandon(waiting, CloseCode.replaced);
    }
    link.phase = 'held';
    link.hello = hello;
    this.#held.set(clientId, link);
    this.#accepted(link, version, 'held', hello);
    const older = this.#links.get(clientId)!;
    this.#probes.set(clientId, this.#wheel.tick);
    older.socket.ping();
    this.#directory.conflictsChanged(clientId);
  }

  /** The older link is gone: the held one takes its place. */
  #promote(clientId: string): void {
    const link = this.#held.get(clientId);
    if (link?.hello === undefined) return;
    const hello = link.hello;
    this.#held.delete(clientId);
    this.#probes.delete(clientId);
    link.hello = undefined;
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
    for (const [clientId, since] of this.#probes) {
      if (tick - since < CONFLICT_PROBE_S) continue;
      this.#probes.delete(clientId);
      const older = this.#links.get(clientId);
      if (older !== undefined && older.heardTick < since) older.socket.terminate();
    }
  }

  /** Takes a link out of its place before another takes it, so that its closing changes nothing. */
  #abandon(link: Link, code: number): void {
    link.phase = 'closed';
    if (this.#links.get(link.clientId) === link) this.#links.delete(link.clientId);
    if (this.#held.get(link.clientId) === link) this.#held.delete(link.clientId);
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
    } else if (this.#held.get(clientId) === link) {
      this.#held.delete(clientId);
      this.#probes.delete(clientId);
      this.#directory.conflictsChanged(clientId);
    }
  }

  #refuse(link: Link, code: RefusalCode, message: string): void {
    if (link.phase === 'closed') return;
    this.#send(link, { kind: 'refused', code, message: message.slice(0, 500), retryAfterMs: RETRY_MS[code] });
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

/** Read once for each link: making the certificate's object takes Node a tenth of a millisecond. */
function readCertificate(socket: TLSSocket): LinkCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return { subject: certificate.subject.slice(0, SUBJECT_MAX_LENGTH), endMs: certificate.validToDate.getTime() };
}
