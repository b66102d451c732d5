import { randomBytes, type KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { must } from '@bascule/core/must.ts';
import { fromClient, type FromClient, type ToClient } from '@bascule/protocol/control-link.ts';
import type { LinkSocket as PlainSocket } from '@bascule/wire/web-socket.ts';
import type { ClientState } from './jump-store.ts';
import type { WheelLink } from './link-wheel.ts';

const CHALLENGE_BYTES = 24;
/** What stands before the point in the SPKI (DER) of every P-256 key; then 04, x and y. */
const P256_SPKI_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');

export type LinkState = 'approved' | 'waiting-for-approval' | 'to-be-confirmed' | 'held';
export type Hello = Extract<FromClient, { kind: 'hello' }>;
export type Enrol = Extract<FromClient, { kind: 'enrol' }>;
export type ClientMessage = Exclude<FromClient, { kind: 'hello' | 'enrol' }>;

/** The parts of `accepted` that other domains provide. */
export type AcceptedExtras = Partial<Pick<Extract<ToClient, { kind: 'accepted' }>, 'authority' | 'record' | 'settings'>>;

/** What is kept of a client's certificate. */
export interface LinkCertificate {
  subject: string;
  /** The subject of the site identity that issued it. */
  issuer: string;
  /** Milliseconds since the epoch. */
  endMs: number;
}

/** What the links need to know and to tell; the class Jump provides it. */
export interface LinkDirectory {
  /** What the site makes of the client, or why not. `revoked` also stands for deleted. */
  admit(clientId: string, hello: Hello, publicKey: () => Buffer, address: string): ClientState | 'no-room';
  /** Whether a client of this id may have that key: a known one has the key it was enrolled with. */
  isKeyOf(clientId: string, publicKey: () => Buffer): boolean;
  /** What goes with `accepted`: settings, a newer authority, a signed record. */
  extras(clientId: string, hello: Hello): AcceptedExtras;
  /** A request over a client's own connection, beside the links: a parcel. */
  request(clientId: string, request: IncomingMessage, response: ServerResponse): void;
  enrol(message: Enrol, challenge: string, address: string): Promise<{ client: string; certificate: string; authority: string }>;
  /** Another certificate, when the present one nears its end or a former site identity has issued it. */
  renew(clientId: string, certificate: LinkCertificate, publicKey: () => Buffer): Promise<string> | undefined;
  /** What a client that is refused as revoked is given to bear. */
  refusalRecord(clientId: string): string | undefined;
  /** How many clients there are, for pacing their reconnects. */
  clientCount(): number;
  linked(clientId: string, hello: Hello): void;
  unlinked(clientId: string): void;
  conflictsChanged(clientId: string): void;
  /** The older link of a decided conflict was given up: its sessions are over. */
  replaced(clientId: string): void;
  message(clientId: string, message: ClientMessage): void;
  refused(event: { reason: string; address: string; certificate: string }): void;
}

export interface LinkSide {
  hostName: string;
  address: string;
  os: string;
  user: string;
  sinceMs: number;
}

/** What a link tells its owner; one object for all links. */
export interface LinkOwner {
  heard(link: Link): void;
  received(link: Link, data: Buffer, binary: boolean): void;
  closed(link: Link): void;
}

/** One connection; kept small, for there are ten thousand of them. */
export class Link implements WheelLink {
  heardTick = 0;
  slot = 0;
  messages = 0;
  clientId = '';
  instance = '';
  phase: 'new' | 'enrolling' | 'hello' | 'live' | 'held' | 'closed' = 'new';
  sinceMs = 0;
  challenge: string;
  /** Undefined on a link that can only enrol. */
  certificate: LinkCertificate | undefined;
  tls: TLSSocket;
  /** Only while held: what it said of itself, and which sessions it holds. */
  hello: Hello | undefined;
  socket: LinkSocket;
  owner: LinkOwner;

  constructor(socket: LinkSocket, tls: TLSSocket, certificate: LinkCertificate | undefined, owner: LinkOwner) {
    this.owner = owner;
    this.socket = socket;
    this.tls = tls;
    this.certificate = certificate;
    this.challenge = randomBytes(CHALLENGE_BYTES).toString('base64url');
    socket.link = this;
    socket.on('message', onMessage);
    socket.on('pong', onPong);
    socket.on('ping', onPong);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  get address(): string {
    return this.tls.remoteAddress ?? '';
  }

  /** The client's key, SPKI DER. Throws when the link is gone. */
  publicKey(): Buffer {
    const certificate = must(this.tls.getPeerX509Certificate(), "the link's certificate");
    return spkiOf(certificate.publicKey);
  }

  ping(): void {
    this.messages = 0;
    this.socket.ping();
  }

  /** Nobody answers a pong. */
  beat(): void {
    this.socket.pong();
  }

  drop(): void {
    this.socket.terminate();
  }
}
/** Put together by hand for the keys that clients have: at every connect, OpenSSL's encoder would take four times as long. */
export function spkiOf(key: KeyObject): Buffer {
  const { kty, crv, x, y } = key.export({ format: 'jwk' });
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) return key.export({ type: 'spki', format: 'der' });
  return Buffer.concat([P256_SPKI_HEAD, Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
}

export type LinkSocket = PlainSocket & { link?: Link };

// The listeners are shared by all links; each finds its link on the socket.
function onMessage(this: LinkSocket, data: Buffer, binary: boolean): void {
  if (this.link !== undefined) this.link.owner.received(this.link, data, binary);
}

function onPong(this: LinkSocket): void {
  if (this.link !== undefined) this.link.owner.heard(this.link);
}

function onError(this: LinkSocket): void {
  this.terminate();
}

function onClose(this: LinkSocket): void {
  if (this.link !== undefined) this.link.owner.closed(this.link);
}

/** The message, or what is wrong with it, naming the field (wire 3.6). */
export function parseFromClient(data: Buffer, binary: boolean): FromClient | string {
  if (binary) return 'the message must be text';
  let value: unknown;
  try {
    value = JSON.parse(data.toString('utf8'));
  } catch {
    return 'the message must be JSON';
  }
  const parsed = fromClient.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  return `${issue.path.join('.') || 'message'}: ${issue.message}`;
}
