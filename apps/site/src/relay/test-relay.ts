/** For tests: a relay in this process, its links over plain WebSockets on a free port; and raw links that may say anything. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { createLog } from '@bascule/log/log.ts';
import type { FromRelay, ToRelay } from '@bascule/protocol/relay-control.ts';
import { decodeFrame, encodeJson, FRAME_MAX_BYTES, FrameType, type Frame } from '@bascule/wire/frames.ts';
import { acceptWebSocket } from '@bascule/wire/web-socket.ts';
import { Relay } from './relay.ts';
import { CLIENT, HEADER, LOGIN_SESSION, SESSION, sha256, until, USER } from './testing.ts';
import type { RelayLimits } from './relay-session.ts';

export class TestRelay {
  readonly directory: string;
  readonly messages: FromRelay[] = [];
  readonly relay: Relay;
  freeBytes = 1e12;
  readonly #server = createServer();
  readonly #limits: RelayLimits;
  #fenced: Error | undefined;

  private constructor(directory: string, limits: Partial<RelayLimits>) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    this.#limits = {
      recordingMaxBytes: 1e9,
      reserveBytes: 1000,
      recordingPauseLimitMs: 60_000,
      sessionBytesPerSecond: 1e9,
      sessionBurstBytes: 1e9,
      ...limits,
    };
    this.relay = new Relay({
      recordingsDir: directory,
      filesDir: join(directory, 'files'),
      siteDir: directory,
      checkGeneration: () => {},
      fenced: (error) => (this.#fenced = error),
      log: createLog('test', 'silent'),
      freeBytes: async () => this.freeBytes,
    });
    this.relay.setMain((message) => this.messages.push(message));
    this.#server.on('upgrade', (request, socket, head) => {
      void acceptWebSocket(request, socket, head, { maxMessageBytes: FRAME_MAX_BYTES }).then((link) => {
        if (request.url === '/stream') this.relay.acceptViewer(link, '192.0.2.1');
        else this.relay.acceptAgent(link, request.url!.slice('/data/'.length));
      });
    });
  }

  static async open(options: { limits?: Partial<RelayLimits>; directory?: string } = {}): Promise<TestRelay> {
    const host = new TestRelay(options.directory ?? mkdtempSync(join(tmpdir(), 'bascule-relay-')), options.limits ?? {});
    host.#server.listen(0, '127.0.0.1');
    await once(host.#server, 'listening');
    host.configure();
    await host.message('configured');
    return host;
  }

  get fenced(): Error | undefined {
    return this.#fenced;
  }

  get file(): string {
    return join(this.directory, 's.bsr');
  }

  configure(): void {
    this.relay.handle({ kind: 'configure', tls: { key: '', certificate: '', authority: '' }, limits: this.#limits });
  }

  openSession(resumed = false): void {
    this.relay.handle({ kind: 'session-open', session: SESSION, client: CLIENT, file: 's.bsr', header: HEADER, resumed });
  }

  ticket(kind: 'agent' | 'viewer', validForMs = 30_000): string {
    const ticket = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
    const bound = { session: SESSION, ticketSha256: sha256(ticket), expiresAtMs: Date.now() + validForMs };
    const message: ToRelay =
      kind === 'agent'
        ? { kind: 'agent-ticket', client: CLIENT, ...bound }
        : { kind: 'viewer-ticket', user: USER, loginSession: LOGIN_SESSION, ...bound };
    this.relay.handle(message);
    return ticket;
  }

  url(path: string): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** The first message of `kind` that `fits`, once it is there. */
  async message<K extends FromRelay['kind']>(
    kind: K,
    fits: (message: Extract<FromRelay, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<FromRelay, { kind: K }>> {
    const find = () =>
      this.messages.find(
        (message): message is Extract<FromRelay, { kind: K }> => message.kind === kind && fits(message as never),
      );
    await until(() => find() !== undefined, `message ${kind}`);
    return find()!;
  }

  async close(): Promise<void> {
    await this.relay.stop();
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A link that says what the test wants. */
export class RawLink {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  outputBytes = 0;
  closed: { code: number; reason: string } | undefined;

  private constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('error', () => {});
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    this.socket.on('message', (data: Buffer) => {
      const frame = decodeFrame(data);
      if (frame.type === FrameType.output) this.outputBytes += frame.bytes.length;
      this.frames.push(frame);
    });
  }

  static async agent(host: TestRelay, hello: object = {}, client = CLIENT): Promise<RawLink> {
    return this.#greet(host.url(`/data/${client}`), {
      v: 1,
      session: SESSION,
      outStart: 0,
      outEnd: 0,
      inputs: {},
      ticket: host.ticket('agent'),
      ...hello,
    });
  }

  static async viewer(host: TestRelay, hello: object = {}): Promise<RawLink> {
    return this.#greet(host.url('/stream'), { v: 1, ticket: host.ticket('viewer'), origin: 'ab'.repeat(16), ...hello });
  }

  static async #greet(url: string, hello: object): Promise<RawLink> {
    const link = new RawLink(url);
    await once(link.socket, 'open');
    link.send(encodeJson(FrameType.hello, hello));
    return link;
  }

  send(frame: Uint8Array): void {
    this.socket.send(frame);
  }

  async frame(type: FrameType): Promise<Frame> {
    const find = () => this.frames.find((frame) => frame.type === type);
    await until(() => find() !== undefined || this.closed !== undefined, `frame ${type}`);
    const frame = find();
    if (!frame) throw new Error(`closed with ${this.closed?.code} ${this.closed?.reason}`);
    return frame;
  }

  async closing(): Promise<{ code: number; reason: string }> {
    await until(() => this.closed !== undefined, 'the link to be closed');
    return this.closed!;
  }
}
