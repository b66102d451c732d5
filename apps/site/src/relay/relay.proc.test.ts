import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { sitePaths } from '@bascule/core/home.ts';
import { RELAY_LINE_MAX_BYTES, type FromRelay, type ToRelay } from '@bascule/protocol/relay-control.ts';
import { readFacts } from '@bascule/recording/reader.ts';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { encodeExit, encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { ViewerClient, type WebSocketLike } from '@bascule/wire/viewer-client.ts';
import { SiteIdentity } from '../jump/jump.ts';
import { CLIENT, dataOf, HEADER, LOGIN_SESSION, ScriptedAgent, SESSION, seeded, sha256, until, USER } from './testing.ts';

/** base and site main of a relay: hands connections over, starts it again when it dies, and tells it everything anew. */
class RelayHost {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-relay-'));
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
  readonly #door = createServer({ pauseOnConnect: false }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      socket.pause();
      const address = { address: '127.0.0.1', port: 1 };
      // That the relay was just killed may show here first (EPIPE).
      if (this.#child?.connected)
        this.#child.send({ kind: 'link', head, ...address }, socket, {}, (error) => error && socket.destroy());
      else socket.destroy();
    });
  });

  async start(): Promise<{ cert: string; key: string }> {
    mkdirSync(this.paths.run, { recursive: true, mode: 0o700 });
    writeFileSync(this.paths.generation, '1'.padStart(20, '0'));
    const identity = await SiteIdentity.open({ keysDir: this.paths.keys });
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
    this.#door.listen(0, '127.0.0.1');
    await once(this.#door, 'listening');
    this.#spawn();
    await until(() => this.#opened, 'session-opened');
    const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])) as CryptoKeyPair;
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
    const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64');
    return {
      cert: await identity.issueClientCertificate(CLIENT, spki),
      key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    };
  }

  get port(): number {
    return (this.#door.address() as AddressInfo).port;
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  send(message: ToRelay): void {
    if (this.#main && !this.#main.destroyed) writeJsonLine(this.#main, message);
  }

  async ticket(kind: 'agent' | 'viewer'): Promise<string> {
    await until(() => this.#configured, 'a relay to give the ticket to');
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
      if (this.#stopped) return;
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
      if (message.kind === 'configured')
        this.send({
          kind: 'session-open',
          session: SESSION,
          client: CLIENT,
          file: 's.bsr',
          header: HEADER,
          resumed: this.#opened,
        });
      if (message.kind === 'session-opened') this.#opened = this.#configured = true;
    });
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#door.close();
    this.#main?.destroy();
    if (this.#child && this.#child.exitCode === null) {
      this.#child.send({ kind: 'stop' });
      await once(this.#child, 'exit');
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

function viewerOf(host: RelayHost, onBytes: (bytes: Uint8Array) => void): ViewerClient {
  const client = new ViewerClient({
    open: () => {
      const socket = connectWithPreamble(host.paths.relaySocket, { address: '192.0.2.1', port: 4242 });
      socket.on('error', () => {});
      return new WebSocket('ws://localhost/stream', {
        perMessageDeflate: false,
        createConnection: () => socket,
        headers: { origin: 'https://localhost' },
      }) as unknown as WebSocketLike;
    },
    getTicket: () => host.ticket('viewer'),
    onScreen: (_screen, shown) => shown(),
    onOutput: (bytes, shown) => {
      onBytes(bytes);
      shown();
    },
  });
  return client;
}

test(
  'SIGKILL of the relay, again and again: nothing lost, doubled or reordered, either way (I1, I2, wire 4.2-4.6)',
  { timeout: 90_000 },
  async (t) => {
    const seed = Number(process.env['BASCULE_SEED'] ?? Date.now() % 1e9);
    t.diagnostic(`seed ${seed}`);
    const random = seeded(seed);
    const host = new RelayHost();
    const credentials = await host.start();
    const agent = new ScriptedAgent(
      async () =>
        new WebSocket('wss://link.bascule.internal/data', {
          perMessageDeflate: false,
          createConnection: () =>
            connectTls({
              host: '127.0.0.1',
              port: host.port,
              servername: 'link.bascule.internal',
              ca: host.authority,
              ALPNProtocols: ['bascule-data/1'],
              ...credentials,
            }),
        }),
      () => host.ticket('agent'),
    );
    agent.frameBytes = () => 1 + Math.floor(random() * 3000);
    agent.connect();
    const seen: Uint8Array[] = [];
    const viewer = viewerOf(host, (bytes) => seen.push(bytes));
    viewer.connect();
    const produced: Buffer[] = [];
    const typed: Buffer[] = [];
    try {
      // One that comes later would begin with a screen.
      await until(() => viewer.status === 'live', 'the viewer to be there');
      for (let round = 0; round < 400; round++) {
        const bytes = Buffer.alloc(1 + Math.floor(random() * 6000), `${round} `);
        produced.push(bytes);
        agent.append(encodeRecord(OutputRecord.data, bytes));
        const keys = Buffer.from(`${round};`);
        typed.push(keys);
        assert.ok(viewer.send(keys));
        if (round % 80 === 40) host.kill();
        if (random() < 0.02) agent.drop();
        if (random() < 0.02) viewer.dropLink();
        await new Promise((resolve) => setTimeout(resolve, random() * 8));
      }
      await until(() => viewer.unconfirmedInput().bytes === 0, 'all input confirmed');
      await until(
        () => seen.reduce((sum, bytes) => sum + bytes.length, 0) >= Buffer.concat(produced).length,
        'the viewer to have seen all',
      );
      agent.append(encodeExit(7, 0), true);
      await until(() => host.messages.some((message) => message.kind === 'session-ended'), 'session-ended');
      await until(() => viewer.status === 'ended', 'the viewer to hear of the end');
      assert.equal(host.restarts, 5);
      const file = join(host.paths.recordings, 's.bsr');
      assert.equal(sha256(await dataOf(file)), sha256(Buffer.concat(produced)), 'the recording holds what the agent produced');
      assert.equal(sha256(Buffer.concat(agent.keys.get(viewer.origin)!)), sha256(Buffer.concat(typed)), 'each key exactly once');
      assert.equal(sha256(Buffer.concat(seen)), sha256(Buffer.concat(produced)), 'the viewer saw every byte once');
      const facts = await readFacts(file);
      const ended = host.messages.find((message) => message.kind === 'session-ended')!;
      assert.deepEqual([ended.reason, ended.exitCode, ended.headSha256], ['process-exited', 7, facts?.headSha256]);
      assert.equal(facts?.end?.outBytes, agent.output.end);
      assert.equal(readFileSync(file).length, ended.recordingBytes);
    } finally {
      viewer.close();
      agent.close();
      await host.close();
    }
  },
);
