/** For tests: base and site main of a relay that runs as a process. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { sitePaths } from '@bascule/core/home.ts';
import { DATA_ALPN } from '@bascule/protocol/control-link.ts';
import { PAIR_DATA_ALPN } from '@bascule/protocol/pair-link.ts';
import { RELAY_LINE_MAX_BYTES, type FromRelay, type ToRelay } from '@bascule/protocol/relay-control.ts';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { ViewerClient, type WebSocketLike } from '@bascule/wire/viewer-client.ts';
import { SiteIdentity } from '../jump/jump.ts';
import type { PairOrder } from './pair-data.ts';
import { CLIENT, HEADER, LOGIN_SESSION, SESSION, sha256, until, USER } from './testing.ts';

/** base and site main of a relay: hands connections over, starts it again when it dies, and tells it everything anew. */
export class RelayHost {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-relay-'));
  /** Who runs it starts it again when it dies. */
  restartsItself = true;
  readonly paths = sitePaths(join(this.home, 'site'));
  readonly messages: FromRelay[] = [];
  restarts = 0;
  authority = '';
  #child: ChildProcess | undefined;
  #main: Socket | undefined;
  #configure: ToRelay | undefined;
  #opened = false;
  #stopped = false;
  #configured = false;
  #hasSession = true;
  #pairOrder: PairOrder | undefined;
  readonly #door = createServer({ pauseOnConnect: false }, (socket) => this.#handOver(socket, DATA_ALPN));
  readonly #pairDoor = createServer({ pauseOnConnect: false }, (socket) => this.#handOver(socket, PAIR_DATA_ALPN));

  #handOver(socket: Socket, alpn: string): void {
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      socket.pause();
      const address = { address: '127.0.0.1', port: 1 };
      // That the relay was just killed may show here first (EPIPE).
      if (this.#child?.connected)
        this.#child.send({ kind: 'link', head, alpn, ...address }, socket, {}, (error) => error && socket.destroy());
      else socket.destroy();
    });
  }

  /** `site`: the identity that both appliances of a pair have. Without `hasSession` it is a follower's: nothing is opened. Gives a client's certificate. */
  async start({ site, hasSession = true }: { site?: SiteIdentity; hasSession?: boolean } = {}): Promise<{
    cert: string;
    key: string;
    identity: SiteIdentity;
  }> {
    this.#hasSession = hasSession;
    mkdirSync(this.paths.run, { recursive: true, mode: 0o700 });
    writeFileSync(this.paths.generation, '1'.padStart(20, '0'));
    const identity = site ?? (await SiteIdentity.open({ keysDir: this.paths.keys }));
    const tls = await identity.issueLinkTls();
    this.authority = tls.authority;
    this.#configure = {
      kind: 'configure',
      tls,
      limits: {
        recordingMaxBytes: 1e9,
        reserveBytes: 0,
        recordingPauseLimitMs: 60_000,
        sessionBytesPerSecond: 1e9,
        sessionBurstBytes: 1e9,
      },
    };
    for (const door of [this.#door, this.#pairDoor]) {
      door.listen(0, '127.0.0.1');
      await once(door, 'listening');
    }
    this.#spawn();
    await until(() => (hasSession ? this.#opened : this.#main !== undefined), 'session-opened');
    const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])) as CryptoKeyPair;
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
    const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64');
    return {
      identity,
      cert: await identity.issueClientCertificate(CLIENT, spki),
      key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    };
  }

  get port(): number {
    return (this.#door.address() as AddressInfo).port;
  }

  /** Killed, and not started again. */
  get #isGone(): boolean {
    return !this.restartsItself && (this.#child?.exitCode !== null || this.#child.signalCode !== null);
  }

  get pairPort(): number {
    return (this.#pairDoor.address() as AddressInfo).port;
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** What main tells it of the pair, now and whenever it starts. */
  order(order: PairOrder): void {
    this.#pairOrder = order;
    if (this.#configured || !this.#hasSession) this.send(order);
  }

  /** It was the follower's: from here on it records the session, which goes on. */
  takeOver(order: PairOrder): void {
    this.order(order);
    this.#hasSession = this.#opened = true;
    this.#openSession();
  }

  #openSession(): void {
    const resumed = this.#opened;
    this.send({ kind: 'session-open', session: SESSION, client: CLIENT, file: 's.bsr', header: HEADER, resumed });
  }

  send(message: ToRelay): void {
    if (this.#main && !this.#main.destroyed) writeJsonLine(this.#main, message);
  }

  async ticket(kind: 'agent' | 'viewer'): Promise<string> {
    await until(() => this.#configured || this.#isGone, 'a relay to give the ticket to');
    if (this.#isGone) throw new Error('the appliance is gone');
    const ticket = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
    const bound = { session: SESSION, ticketSha256: sha256(ticket), expiresAtMs: Date.now() + 30_000 };
    if (kind === 'agent') this.send({ kind: 'agent-ticket', client: CLIENT, ...bound });
    else this.send({ kind: 'viewer-ticket', user: USER, loginSession: LOGIN_SESSION, ...bound });
    return ticket;
  }

  #spawn(): void {
    const start = {
      siteDir: this.paths.site,
      generation: 1,
      applianceName: 'test',
      publicHost: 'localhost',
      publicPort: 1,
      hosts: [],
      version: '0.1.0',
      softwareDir: '/nonexistent',
      runtimeDir: '/nonexistent',
      webKeyPin: '',
    };
    const child = fork(join(import.meta.dirname, '..', 'relay-main.ts'), {
      serialization: 'advanced',
      env: { ...process.env, BASCULE_SITE: JSON.stringify(start), BASCULE_LOG_LEVEL: 'error' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: { kind: string }) => {
      if (message.kind === 'ready') this.#connectMain();
    });
    child.on('exit', () => {
      // As site-program.ts of base does: Node forgets the socket whose receipt the relay had not confirmed, and its client would wait for ever.
      (child as { _pendingMessage?: { handle?: { close?(): void } } | null })._pendingMessage?.handle?.close?.();
      this.#configured = false;
      this.#main?.destroy();
      if (this.#stopped || !this.restartsItself) return;
      this.restarts++;
      this.#spawn();
    });
  }

  #connectMain(): void {
    const socket = connect(this.paths.relayControlSocket);
    socket.on('error', () => {});
    this.#main = socket;
    this.send(this.#configure!);
    readJsonLines(socket, RELAY_LINE_MAX_BYTES, (value) => {
      const message = value as FromRelay;
      this.messages.push(message);
      if (message.kind === 'configured') {
        if (this.#pairOrder !== undefined) this.send(this.#pairOrder);
        if (this.#hasSession) this.#openSession();
      }
      if (message.kind === 'session-opened') this.#opened = this.#configured = true;
    });
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#door.close();
    this.#pairDoor.close();
    this.#main?.destroy();
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.send({ kind: 'stop' });
      await once(this.#child, 'exit');
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A viewer of the session at whichever relay `host` gives. */
export function viewerOf(host: () => RelayHost, onBytes: (bytes: Uint8Array) => void): ViewerClient {
  const client = new ViewerClient({
    open: () => {
      const socket = connectWithPreamble(host().paths.relaySocket, { address: '192.0.2.1', port: 4242 });
      socket.on('error', () => {});
      return new WebSocket('ws://localhost/stream', {
        perMessageDeflate: false,
        createConnection: () => socket,
        headers: { origin: 'https://localhost' },
      }) as unknown as WebSocketLike;
    },
    getTicket: () => host().ticket('viewer'),
    onScreen: (_screen, shown) => shown(),
    onOutput: (bytes, shown) => {
      onBytes(bytes);
      shown();
    },
  });
  return client;
}
