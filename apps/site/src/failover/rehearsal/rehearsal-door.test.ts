/** Who gets through the door to a test of the standby, and what goes through with them (docs/decisions/0256). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { readCookie } from '@bascule/http/login-cookie.ts';
import { LEAVE_REHEARSAL_PATH, REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { acceptWithPreamble } from '@bascule/wire/preamble.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { SITE_COOKIE } from '../../identity/identity.ts';
import { CARRIED_BODY_MAX_BYTES } from './rehearsal-door-carry.ts';
import { RehearsalDoor } from './rehearsal-door.ts';
import { Turns } from './rehearsal-door-turns.ts';
import { rehearsalCookieOf } from './rehearsal-door-headers.ts';
import { CARRIED_PER_VISIT_MAX, RehearsalPeople, VISITS_PER_PERSON_MAX, type Visitor } from './rehearsal-guide-people.ts';

const ANN: Visitor = { id: 'usr_ann', name: 'ann', role: 'user', loginSession: 'ann-at-home' };
const BOB: Visitor = { id: 'usr_bob', name: 'bob', role: 'user', loginSession: 'bob' };
const PEER = { address: '192.0.2.7', port: 4711 };
const LOGIN = 'a-login-of-ann';

interface Seen {
  peer: { address: string; port: number };
  url: string | undefined;
  rawHeaders: string[];
  body: string;
}

/** The scratch copy's program, as far as the door sees it: a server behind a preamble. */
class ScratchCopy {
  readonly seen: Seen[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  readonly #server = createServer();
  readonly #peers = new WeakMap<object, { address: string; port: number }>();
  readonly #sockets = new Set<Socket>();
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => void response.end('of the copy');
  opened = 0;

  async listen(): Promise<void> {
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      text(request).then(
        (body) => {
          this.#note(request, body);
          this.answer(request, response);
        },
        () => request.destroy(),
      );
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      this.#note(request, '');
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: yes\r\n',
      );
      socket.write('Set-Cookie: evil=1\r\n\r\nwelcome');
      socket.on('data', (piece: Buffer) => socket.write(`echo ${piece.toString()}`));
      socket.on('error', () => socket.destroy());
    });
    this.listener = await acceptWithPreamble(join(this.folder, 'main.sock'), (socket, peer) => {
      this.opened += 1;
      this.#peers.set(socket, peer);
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      this.#server.emit('connection', socket);
      socket.resume();
    });
  }

  listener: import('node:net').Server | undefined;

  get lastHeaders(): Record<string, string> {
    const { rawHeaders = [] } = this.seen.at(-1) ?? {};
    return Object.fromEntries(
      rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? '']] : [])),
    );
  }

  close(): void {
    this.listener?.close();
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #note(request: IncomingMessage, body: string): void {
    const peer = this.#peers.get(request.socket) ?? { address: '', port: 0 };
    this.seen.push({ peer, url: request.url, rawHeaders: request.rawHeaders, body });
  }
}

/** A primary with a door, for the people of a test that is open. */
class Scene implements AsyncDisposable {
  readonly copy = new ScratchCopy();
  readonly people = new RehearsalPeople();
  readonly door: RehearsalDoor;
  readonly #primary: Server;
  isAway = false;
  /** The site's database cannot be read. */
  isBroken = false;
  /** Tunnels wait for this. */
  held: Promise<void> | undefined;

  private constructor(silenceMs: number) {
    this.people.admit(new Map([[ANN.id, ANN.role]]));
    this.door = new RehearsalDoor({
      visitOf: ({ headers }) => {
        if (this.isBroken) throw new Error('disk I/O error');
        const isAnn = readCookie(headers.cookie, SITE_COOKIE) === LOGIN;
        return this.people.find(rehearsalCookieOf(headers.cookie), isAnn ? ANN.loginSession : undefined);
      },
      tunnel: async () => {
        await this.held;
        if (this.isAway) throw new Error('the peer cannot be reached');
        const socket = connect(join(this.copy.folder, 'main.sock'));
        await once(socket, 'connect');
        return socket;
      },
      log: createLog('test', 'silent'),
      silenceMs,
    });
    this.#primary = createServer((request, response) => {
      if (!this.door.take(request, response, PEER)) response.end(`of the primary: ${request.url}`);
    });
    this.#primary.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.door.upgrade(request, socket, head, PEER),
    );
  }

  static async start({ silenceMs = 20_000 } = {}): Promise<Scene> {
    const scene = new Scene(silenceMs);
    await scene.copy.listen();
    scene.#primary.listen(0, '127.0.0.1');
    await once(scene.#primary, 'listening');
    return scene;
  }

  /** The cookies with which Ann is in the test. */
  enter(): string {
    return `${this.people.enter(ANN)?.split(';')[0]}; ${SITE_COOKIE}=${LOGIN}`;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#primary.address() as AddressInfo).port}${path}`;
  }

  async ask(path: string, cookie: string, options: RequestInit = {}): Promise<Response> {
    const headers = new Headers(options.headers);
    headers.set('cookie', cookie);
    return await fetch(this.url(path), { ...options, redirect: 'manual', headers });
  }

  dial(): Socket {
    const socket = connect((this.#primary.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.people.close();
    this.#primary.closeAllConnections();
    this.#primary.close();
    await once(this.#primary, 'close');
    this.copy.close();
  }
}

/** Reads until `wanted` has come, or the other end closes. */
async function readUntil(socket: Socket, wanted: string | undefined): Promise<string> {
  let read = '';
  for await (const piece of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    read += piece.toString('latin1');
    if (wanted !== undefined && read.includes(wanted)) break;
  }
  return read;
}

test('a chosen person is answered by the scratch copy alone, which hears where they are and nothing of their other cookies', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  const answer = await scene.ask('/api/anything?x=1', `__Host-bascule-box=secret; ${cookie}; theme=dark`, {
    headers: { 'x-bascule-csrf': 'token', 'proxy-authorization': 'secret', 'user-agent': 'browser' },
  });
  assert.equal(await answer.text(), 'of the copy');
  assert.deepEqual([scene.copy.seen[0]?.peer, scene.copy.seen[0]?.url], [PEER, '/api/anything?x=1']);
  const { cookie: carried, ...headers } = scene.copy.lastHeaders;
  assert.equal(carried, `${SITE_COOKIE}=${LOGIN}`);
  assert.equal(headers['x-bascule-csrf'], 'token');
  assert.equal(headers['proxy-authorization'], undefined);
  assert.doesNotMatch(JSON.stringify(scene.copy.seen), /secret|theme|standby-test/);
});

test('without both cookies of one login session nothing is carried: the primary answers, and takes the cookie away', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  const value = readCookie(cookie, REHEARSAL_COOKIE) ?? '';
  const [test0 = '', login = ''] = cookie.split('; ');
  const unfit = {
    'a stolen value without the login': test0,
    'a stolen value with the login of somebody else': `${test0}; ${SITE_COOKIE}=another`,
    'no value of ours': `${REHEARSAL_COOKIE}=${'x'.repeat(43)}; ${login}`,
    'an empty one': `${REHEARSAL_COOKIE}=; ${login}`,
    'one that is there twice': `${test0}; ${REHEARSAL_COOKIE}=${value}; ${login}`,
    'one of another case': `${test0.toLowerCase()}; ${login}`,
    'one in a cookie of another name': `x${test0}; ${login}`,
    'one in the value of another cookie': `x=${test0}; ${login}`,
  };
  for (const [what, cookies] of Object.entries(unfit)) {
    const answer = await scene.ask('/api/x', cookies);
    assert.equal(await answer.text(), 'of the primary: /api/x', what);
    // Another name's owner may be a neighbour of ours in the domain: it changes nothing here.
    if (/another (?:case|name|cookie)$/.test(what)) assert.equal(answer.headers.get('set-cookie'), null, what);
    else
      assert.match(
        answer.headers.get('set-cookie') ?? '',
        /^__Host-bascule-standby-test=; .*Secure; HttpOnly; SameSite=Strict; Max-Age=0$/,
        what,
      );
  }
  assert.equal((await scene.ask('/api/x', login)).headers.get('set-cookie'), null);
  assert.equal(scene.copy.opened, 0, 'nothing of them reached the scratch copy');
  assert.equal(scene.people.enter(BOB), undefined, 'who is not chosen gets no cookie');
});

test('one cookie per login session, few login sessions per person; leaving and the end of the login end it', async () => {
  await using scene = await Scene.start();
  const first = scene.enter();
  const second = scene.enter();
  assert.equal(await (await scene.ask('/x', first)).text(), 'of the primary: /x', 'the newer cookie replaces it');
  assert.equal(await (await scene.ask('/x', second)).text(), 'of the copy');
  for (let count = 0; count < VISITS_PER_PERSON_MAX; count += 1) scene.people.enter({ ...ANN, loginSession: `other ${count}` });
  assert.equal(await (await scene.ask('/x', second)).text(), 'of the primary: /x', 'the oldest of too many has ended');

  const third = scene.enter();
  scene.people.loginSessionsEnded(['another', ANN.loginSession]);
  assert.equal(await (await scene.ask('/x', third)).text(), 'of the primary: /x');
  const fourth = scene.enter();
  assert.equal(scene.people.leave(readCookie(fourth, REHEARSAL_COOKIE))?.userId, ANN.id);
  assert.equal(scene.people.leave(readCookie(fourth, REHEARSAL_COOKIE)), undefined);
  assert.equal(await (await scene.ask('/x', fourth)).text(), 'of the primary: /x');
  const fifth = scene.enter();
  scene.people.close();
  assert.equal(await (await scene.ask('/x', fifth)).text(), 'of the primary: /x');
  assert.equal(scene.people.enter(ANN), undefined, 'nobody is chosen any more');
});

test('whose role is another than in the copy is in it no more, and does not come in again', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  scene.people.rolesChanged(() => 'user');
  assert.equal(await (await scene.ask('/x', cookie)).text(), 'of the copy');
  assert.equal(scene.people.enter({ ...ANN, role: 'administrator' }), undefined);
  scene.people.rolesChanged(() => 'administrator');
  assert.equal(await (await scene.ask('/x', cookie)).text(), 'of the primary: /x');
  assert.equal(scene.people.enter(ANN), undefined, 'also when the role is what it was');
});

test('the way out, the header and the logout are answered by the primary, and only at these very addresses', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  const from = async (path: string, method = 'GET') => (await (await scene.ask(path, cookie, { method })).text()).slice(0, 14);
  assert.equal(await from(`${LEAVE_REHEARSAL_PATH}?x`), 'of the primary');
  assert.equal(await from('/api/whoami/appliance'), 'of the primary');
  assert.equal(await from('/api/auth/logout', 'POST'), 'of the primary');
  for (const path of ['/login/leave-test/', '/login//leave-test', '/api/whoami/appliance/x', '/api/auth/me'])
    assert.equal(await from(path), 'of the copy', path);
  // Whoever logged in to the scratch copy itself logs out there.
  scene.copy.answer = (_request, response) =>
    void response.setHeader('set-cookie', `${SITE_COOKIE}=there; Path=/`).end('of the copy');
  await from('/api/auth/login', 'POST');
  assert.equal(await from('/api/auth/logout', 'POST'), 'of the copy');
});

test('nothing of an answer stays in the browser, and nothing is installed there', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  scene.copy.answer = (_request, response) => {
    response.setHeader('cache-control', 'public, max-age=31536000, immutable').setHeader('etag', '"1"');
    for (const name of ['nel', 'report-to', 'service-worker-allowed', 'refresh', 'x-unknown']) response.setHeader(name, '/');
    response
      .setHeader('content-type', 'text/javascript')
      .setHeader('content-security-policy', "default-src 'none'")
      .end('script');
  };
  const ofThisHop = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding']);
  const { headers } = await scene.ask('/assets/a.js', cookie);
  assert.deepEqual(Object.fromEntries([...headers].filter(([name]) => !ofThisHop.has(name))), {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'",
    'content-type': 'text/javascript',
  });
  const seen = scene.copy.seen.length;
  assert.equal((await scene.ask('/assets/a.js', cookie, { headers: { 'service-worker': 'script' } })).status, 400);
  assert.equal(scene.copy.seen.length, seen);
});

test('the scratch copy sets no cookie in the browser; its own login is kept here, and said to it again', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  scene.copy.answer = (_request, response) => {
    response.setHeader('set-cookie', [`${SITE_COOKIE}=of-the-copy; Path=/; Secure`, 'other=1']);
    response.setHeader('strict-transport-security', 'max-age=1').setHeader('clear-site-data', '"*"').end('set');
  };
  const answer = await scene.ask('/api/auth/login', cookie, { method: 'POST' });
  for (const name of ['set-cookie', 'strict-transport-security', 'clear-site-data']) assert.equal(answer.headers.get(name), null);
  scene.copy.answer = (_request, response) => void response.setHeader('set-cookie', `${SITE_COOKIE}=; Max-Age=0`).end();
  await scene.ask('/api/auth/logout', cookie, { method: 'POST' });
  assert.equal(scene.copy.lastHeaders['cookie'], `${SITE_COOKIE}=of-the-copy`);
  await scene.ask('/x', cookie);
  assert.equal(scene.copy.lastHeaders['cookie'], undefined);
});

test('bodies go through whole, framed anew; one that is too large is refused, however its length is said', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  scene.copy.answer = (_request, response) => void response.end(String(scene.copy.seen.at(-1)?.body.length));
  const body = 'x'.repeat(CARRIED_BODY_MAX_BYTES);
  assert.equal(await (await scene.ask('/x', cookie, { method: 'POST', body })).text(), String(body.length));
  const large = await scene.ask('/api/x', cookie, { method: 'POST', body: `${body}y` });
  assert.equal(large.status, 413);
  const seen = scene.copy.seen.length;

  const chunked = scene.dial();
  chunked.write(`POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nCookie: ${cookie}\r\n\r\n`);
  const piece = `10000\r\n${'z'.repeat(65_536)}\r\n`;
  for (let sent = 0; sent <= CARRIED_BODY_MAX_BYTES; sent += 65_536) chunked.write(piece);
  assert.match(await readUntil(chunked, 'BODY_TOO_LARGE'), /^HTTP\/1\.1 413 /);
  chunked.destroy();
  assert.equal(scene.copy.seen.length, seen, 'what was too large never became a request there');
});

test('nothing rides along in a request: two lengths, a second request in a body or a header are what they look like', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  const send = async (lines: string, wanted?: string) => {
    const socket = scene.dial();
    socket.write(lines, 'latin1');
    const read = await readUntil(socket, wanted);
    socket.destroy();
    return read;
  };
  const both = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n';
  assert.match(await send(`${both}Cookie: ${cookie}\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 400 /);
  assert.equal(scene.copy.seen.length, 0);

  const evil = 'GET /evil HTTP/1.1\r\nHost: x\r\n\r\n';
  const head = `POST /x HTTP/1.1\r\nHost: x\r\nConnection: close, Content-Length\r\nContent-Length: ${evil.length}\r\n`;
  assert.match(await send(`${head}Cookie: ${cookie}\r\n\r\n${evil}`), /of the copy/);
  assert.deepEqual(
    scene.copy.seen.map(({ url, body }) => [url, body]),
    [['/x', evil]],
  );

  const hop = 'GET /hop HTTP/1.1\r\nHost: x\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\nUpgrade: h2c\r\n';
  await send(`${hop}Keep-Alive: 5\r\nHTTP2-Settings: x\r\nCookie: ${cookie}\r\n\r\n`);
  const names = Object.keys(scene.copy.lastHeaders);
  for (const name of ['x-secret', 'te', 'upgrade', 'http2-settings']) assert.ok(!names.includes(name), name);
});

test("what the copy says beyond its answer becomes nobody's answer", async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  let count = 0;
  scene.copy.answer = (request, response) => {
    count += 1;
    if (count > 1) return void response.end('honest');
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    request.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${evil}`);
  };
  assert.equal(await (await scene.ask('/one', cookie)).text(), 'ok');
  assert.equal(await (await scene.ask('/two', cookie)).text(), 'honest');
});

test('a copy that cannot be reached, or says nothing, is a clear page with the way out; never a hang', async () => {
  await using scene = await Scene.start({ silenceMs: 300 });
  const cookie = scene.enter();
  scene.isAway = true;
  const browser = scene.dial();
  const asked = 'Sec-Fetch-Mode: navigate\r\nAccept: text/html\r\nAccept-Language: de-AT, en\r\nConnection: close\r\n';
  browser.write(`GET /login/status HTTP/1.1\r\nHost: x\r\n${asked}Cookie: ${cookie}\r\n\r\n`);
  const page = await readUntil(browser, undefined);
  assert.match(page, /^HTTP\/1\.1 503 .*cache-control: no-store/s);
  assert.match(page, new RegExp(`<a href="${LEAVE_REHEARSAL_PATH}">Test verlassen</a>`));
  assert.match(page, /http-equiv="refresh"/);
  const program = await scene.ask('/api/status', cookie);
  assert.equal(((await program.json()) as { error: { code: string } }).error.code, 'REHEARSAL_AWAY');

  scene.isAway = false;
  scene.copy.answer = () => undefined;
  assert.equal((await scene.ask('/api/silent', cookie)).status, 503);
  scene.copy.answer = (_request, response) => void response.write('begun, and then nothing');
  const cut = await scene.ask('/api/cut', cookie);
  await assert.rejects(cut.text());
  const tunnel = scene.dial();
  scene.isAway = true;
  tunnel.write(`GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: ${cookie}\r\n\r\n`);
  assert.match(await readUntil(tunnel, undefined), /^HTTP\/1\.1 503 /);
});

test('an upgrade is carried both ways, its answer written anew, and cut when its person leaves; without the cookie it is refused', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  const head = 'GET /stream?t=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n';
  const socket = scene.dial();
  socket.write(`${head}Cookie: ${cookie}\r\n\r\n`);
  const begun = await readUntil(socket, 'welcome');
  assert.match(begun, /^HTTP\/1\.1 101 .*Sec-WebSocket-Accept: yes/s);
  assert.doesNotMatch(begun, /evil/);
  assert.equal(scene.copy.lastHeaders['cookie'], `${SITE_COOKIE}=${LOGIN}`);
  assert.deepEqual([scene.copy.seen[0]?.peer, scene.copy.lastHeaders['sec-websocket-key']], [PEER, 'k']);
  socket.write('hello');
  await readUntil(socket, 'echo hello');
  const closed = once(socket, 'close');
  socket.resume();
  scene.people.leave(readCookie(cookie, REHEARSAL_COOKIE));
  await closed;

  scene.isBroken = true;
  const unlucky = scene.dial();
  unlucky.write(`${head}Cookie: ${cookie}\r\n\r\n`);
  assert.match(await readUntil(unlucky, undefined), /^HTTP\/1\.1 503 /, 'and the program goes on');
  scene.isBroken = false;

  const stranger = scene.dial();
  stranger.write(`${head}Cookie: ${cookie}\r\n\r\n`);
  assert.match(await readUntil(stranger, undefined), /^HTTP\/1\.1 503 .*Set-Cookie: __Host-bascule-standby-test=; .*Max-Age=0/s);
  assert.equal(scene.copy.seen.length, 1);
});

test('few tunnels are opened at one time; who waits gets a turn, in order, also after one that failed', async () => {
  const turns = new Turns({ max: 2, waitingMax: 3 });
  const done: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const begun: string[] = [];
  const go = (name: string) => {
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    return turns.take(async () => {
      begun.push(name);
      await gate.promise;
      done.push(name);
    });
  };
  const all = ['a', 'b', 'c', 'd', 'e'].map(go);
  await assert.rejects(go('f'), { code: 'REHEARSAL_TUNNELS_LIMIT' });
  assert.deepEqual(begun, ['a', 'b']);
  gates.get('a')?.reject(new Error('no tunnel'));
  await assert.rejects(all[0]!, /no tunnel/);
  await waitUntil('the next has begun', () => begun.length === 3);
  assert.equal(begun[2], 'c');
  for (const gate of gates.values()) gate.resolve();
  await Promise.all(all.slice(1));
  assert.deepEqual([begun.length, done.length], [5, 4]);
});

test('an event stream ends with the visit; one person holds so many tunnels, and no more', async () => {
  await using scene = await Scene.start();
  scene.copy.answer = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n');
  const early = await scene.ask('/api/events', scene.enter());
  scene.people.endVisits();
  await assert.rejects(early.text());
  const cookie = scene.enter();
  const stream = await scene.ask('/api/events', cookie);
  const head = `GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: ${cookie}\r\n\r\n`;
  const sockets = Array.from({ length: CARRIED_PER_VISIT_MAX + 3 }, () => scene.dial());
  const heads = await Promise.all(
    sockets.map(async (socket) => {
      socket.write(head);
      return (await readUntil(socket, '\r\n')).slice(9, 12);
    }),
  );
  assert.equal(heads.filter((status) => status === '101').length, CARRIED_PER_VISIT_MAX - 1);
  assert.equal(heads.filter((status) => status === '503').length, 4);
  scene.people.close();
  await assert.rejects(stream.text());
  await waitUntil('all are cut', () => sockets.every((socket) => (socket.resume(), socket.destroyed)));
});

test('tunnels that are not open yet count for their person, too: nobody fills the queue', async () => {
  await using scene = await Scene.start();
  const cookie = scene.enter();
  const held = Promise.withResolvers<void>();
  scene.held = held.promise;
  const head = `GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: ${cookie}\r\n\r\n`;
  const sockets = Array.from({ length: CARRIED_PER_VISIT_MAX + 1 }, () => scene.dial());
  const heads = sockets.map(async (socket) => {
    socket.write(head);
    return (await readUntil(socket, '\r\n')).slice(9, 12);
  });
  assert.equal(await Promise.race(heads), '503', 'before any tunnel is open');
  held.resolve();
  assert.equal((await Promise.all(heads)).filter((status) => status === '101').length, CARRIED_PER_VISIT_MAX);
});
