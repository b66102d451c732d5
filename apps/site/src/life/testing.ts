/** For tests: base, as far as a site's programs see it: starts pairs of them, switches from one pair to the next, and holds whoever comes meanwhile. */
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { WebSocket } from 'ws';
import { sitePaths } from '@bascule/core/home.ts';
import { CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { fromSite, type FromSite, type SiteStart, type ToSite } from '@bascule/protocol/base-site.ts';
import { PAIR_ALPN, PAIR_DATA_ALPN } from '@bascule/protocol/pair-link.ts';
import { raiseGeneration } from '@bascule/store/generation-file.ts';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import type { WebSocketLike } from '@bascule/wire/viewer-client.ts';
import { testSiteConfig } from '../testing.ts';

const PEER = { address: '192.0.2.7', port: 4711 };
/** What base reads of a ClientHello, and who gets the connection: the first of these that is in it. */
const ALPNS = [
  [PAIR_DATA_ALPN, 'relay'],
  [PAIR_ALPN, 'main'],
  ['bascule-data/1', 'relay'],
] as const;
/** Longer than any of these programs takes for anything here. */
const ANSWER_LIMIT_MS = 30_000;

/** One of the two programs. */
export class StageProgram extends EventEmitter<{ message: [FromSite] }> {
  readonly child: ChildProcess;
  readonly messages: FromSite[] = [];
  readonly exited: Promise<unknown>;

  constructor(file: 'main.ts' | 'relay-main.ts', start: SiteStart) {
    super();
    this.child = fork(join(import.meta.dirname, '..', file), {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        ...process.env,
        BASCULE_SITE: JSON.stringify(start),
        BASCULE_LOG_LEVEL: process.env['BASCULE_LOG_LEVEL'] ?? 'silent',
      },
    });
    this.exited = once(this.child, 'exit');
    this.child.on('message', (raw) => {
      const message = fromSite.parse(raw);
      this.messages.push(message);
      this.emit('message', message);
    });
    // As site-program.ts of base does: Node forgets the socket whose receipt was not confirmed.
    this.child.on('exit', () =>
      (this.child as { _pendingMessage?: { handle?: { close?(): void } } | null })._pendingMessage?.handle?.close?.(),
    );
  }

  send(message: ToSite): void {
    if (this.child.connected) this.child.send(message, () => {});
  }

  /** The first message of `kind` that came or comes; throws with what `failed` says. */
  async next<K extends FromSite['kind']>(kind: K): Promise<Extract<FromSite, { kind: K }>> {
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    for (;;) {
      const found = this.messages.find((message) => message.kind === kind);
      if (found !== undefined) return found as Extract<FromSite, { kind: K }>;
      const failure = this.messages.find((message) => message.kind === 'failed');
      if (failure !== undefined) throw new Error(failure.message);
      await once(this, 'message', { signal });
    }
  }

  /** The answer to a question. */
  async ask<K extends FromSite['kind']>(message: ToSite, kind: K): Promise<Extract<FromSite, { kind: K }>> {
    for (let at = this.messages.length - 1; at >= 0; at--) if (this.messages[at]?.kind === kind) this.messages.splice(at, 1);
    this.send(message);
    return await this.next(kind);
  }
}

export interface StagePair {
  main: StageProgram;
  relay: StageProgram;
  paths: ReturnType<typeof sitePaths>;
}

export class SiteStage {
  readonly start: SiteStart;
  readonly home: string;
  cookie = '';
  csrf = '';
  active: StagePair | undefined;
  #runs = 0;
  #waiting: (() => void)[] = [];
  readonly #programs: StageProgram[] = [];
  readonly #door = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      socket.pause();
      const [alpn, to] = ALPNS.find(([name]) => head.includes(name)) ?? [undefined, 'main'];
      void this.#whenActive().then((pair) => handOver(pair[to], head, socket, alpn));
    });
  });

  constructor(name?: string) {
    const { paths: _paths, webDir: _webDir, verifyTool: _verifyTool, keyFile: _keyFile, ...start } = testSiteConfig();
    this.start = { ...start, ...(name !== undefined && { applianceName: name }) };
    this.home = dirname(start.siteDir);
  }

  get paths(): ReturnType<typeof sitePaths> {
    return sitePaths(this.start.siteDir);
  }

  /** Listens for Jump Clients; where they dial. */
  async listen(): Promise<string> {
    this.#door.listen(0, '127.0.0.1');
    await once(this.#door, 'listening');
    return `https://127.0.0.1:${(this.#door.address() as AddressInfo).port}`;
  }

  program(file: 'main.ts' | 'relay-main.ts', start: Partial<SiteStart>): StageProgram {
    const program = new StageProgram(file, { ...this.start, ...start });
    this.#programs.push(program);
    return program;
  }

  /** Both programs, not yet what people reach. */
  pair(mode: SiteStart['mode'], generation: number): StagePair {
    const runDir = join(this.start.siteDir, 'run', String(++this.#runs));
    if (mode !== 'prepare') mkdirSync(runDir, { recursive: true });
    const start = { mode, runDir, generation };
    return {
      main: this.program('main.ts', start),
      relay: this.program('relay-main.ts', start),
      paths: sitePaths(this.start.siteDir, runDir),
    };
  }

  /** Starts the first pair; the one-time password of its administrator, if it made one. */
  async serve(): Promise<string | undefined> {
    const pair = this.pair('serve', raiseGeneration(this.paths.generation));
    await pair.relay.next('ready');
    const { firstPassword } = await pair.main.next('ready');
    this.#activate(pair);
    return firstPassword;
  }

  /** What base does at a switch (issue 3); the milliseconds of its parts. */
  async switchOver(): Promise<Record<'prepare' | 'stop' | 'activate' | 'held', number>> {
    const old = this.active!;
    const beganMs = performance.now();
    const next = this.pair('prepare', 1);
    await Promise.all([next.main.next('prepared'), next.relay.next('prepared')]);
    const preparedMs = performance.now();
    this.active = undefined;
    for (const program of [old.main, old.relay]) program.send({ kind: 'stop', comeBackAtOnce: true });
    await Promise.all([old.main.exited, old.relay.exited]);
    const stoppedMs = performance.now();
    const generation = raiseGeneration(this.paths.generation);
    for (const program of [next.relay, next.main]) program.send({ kind: 'activate', generation });
    await Promise.all([next.main.next('ready'), next.relay.next('ready')]);
    const readyMs = performance.now();
    this.#activate(next);
    return {
      prepare: Math.round(preparedMs - beganMs),
      stop: Math.round(stoppedMs - preparedMs),
      activate: Math.round(readyMs - stoppedMs),
      held: Math.round(readyMs - preparedMs),
    };
  }

  /** A request of a person's, held while there is no site. */
  async http(method: string, path: string, body?: unknown): Promise<{ status: number; json: Record<string, unknown> }> {
    const { paths } = await this.#whenActive();
    const sent = request({
      createConnection: () => connectWithPreamble(paths.mainSocket, PEER),
      method,
      path,
      headers: {
        host: 'localhost:8443',
        origin: 'https://localhost:8443',
        ...(this.cookie !== '' && { cookie: this.cookie, [CSRF_HEADER]: this.csrf }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const [cookie] = response.headers['set-cookie'] ?? [];
    if (cookie !== undefined) this.cookie = cookie.split(';')[0]!;
    const text = Buffer.concat(chunks).toString();
    return { status: response.statusCode!, json: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
  }

  /** Both programs die, as when the machine loses its power. */
  async kill(): Promise<void> {
    const pair = this.active!;
    this.active = undefined;
    for (const { child } of [pair.main, pair.relay]) child.kill('SIGKILL');
    await Promise.all([pair.main.exited, pair.relay.exited]);
  }

  /** A new administrator's first minute. */
  async takeOver(oneTimePassword: string): Promise<void> {
    const next = 'a long enough password for tests';
    for (const password of [oneTimePassword, next]) {
      this.cookie = '';
      const { json } = await this.http('POST', '/api/auth/login', { name: 'admin', password });
      this.csrf = String(json['csrf']);
      if (password !== next) await this.http('POST', '/api/auth/password', { next });
    }
  }

  /** A viewer link, to whoever is the relay now. */
  openStream(): WebSocketLike {
    const paths = this.active?.paths ?? this.paths;
    return new WebSocket('ws://localhost/stream', {
      perMessageDeflate: false,
      createConnection: () => {
        const socket = connectWithPreamble(paths.relaySocket, PEER);
        socket.on('error', () => {});
        return socket;
      },
      headers: { origin: 'https://localhost' },
    }) as unknown as WebSocketLike;
  }

  async close(): Promise<void> {
    this.#door.close();
    for (const { child } of this.#programs) child.kill('SIGKILL');
    await Promise.all(this.#programs.map((program) => program.exited));
    rmSync(this.home, { recursive: true, force: true });
  }

  #activate(pair: StagePair): void {
    this.active = pair;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #whenActive(): Promise<StagePair> {
    while (this.active === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.active;
  }
}

function handOver(program: StageProgram, head: Buffer, socket: Socket, alpn: string | undefined): void {
  if (!program.child.connected) return void socket.destroy();
  program.child.send(
    { kind: 'link', head: new Uint8Array(head), ...PEER, ...(alpn !== undefined && { alpn }) } satisfies ToSite,
    socket,
    {},
    (error) => error && socket.destroy(),
  );
}
