import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { FrontBench, clientHello, readAll, readUntil } from '../../test/front-bench.ts';
import { CLIENT_HELLO_MAX_BYTES, DRAIN_LIMIT_MS } from './front-limits.ts';

type RequestOptions = https.RequestOptions & Pick<ConnectionOptions, 'ALPNProtocols'>;
interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}
interface Echo {
  name: string;
  pid: number;
  generation: number;
  url: string;
  headers: Record<string, string>;
  preamble: { address: string; port: number };
}

/** One request over HTTPS, on a connection of its own unless `agent` is given. */
function request(bench: FrontBench, path: string, options: RequestOptions & { body?: string } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options;
    const outgoing = https.request(
      { host: '127.0.0.1', port: bench.port, path, rejectUnauthorized: false, agent: false, ...rest },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
        answer.on('error', reject);
      },
    );
    outgoing.on('error', reject).end(body);
  });
}

async function echo(bench: FrontBench, path: string, options: RequestOptions = {}): Promise<Echo> {
  const reply = await request(bench, path, options);
  assert.equal(reply.status, 200, reply.body);
  return JSON.parse(reply.body) as Echo;
}

/** A relay to the front door that passes on only the beginning of a ClientHello, until it is told to go on. */
class Halfway implements Disposable {
  goOn = (): void => undefined;
  readonly #server: net.Server;
  readonly #sockets: net.Socket[] = [];

  private constructor(frontPort: number) {
    this.#server = net.createServer((client) => {
      const front = net.connect(frontPort, '127.0.0.1').on('error', () => client.destroy());
      client.on('error', () => front.destroy());
      this.#sockets.push(client, front);
      front.pipe(client);
      client.once('data', (hello: Buffer) => {
        front.write(hello.subarray(0, 50));
        client.pause();
        this.goOn = () => {
          front.write(hello.subarray(50));
          client.pipe(front);
        };
      });
    });
  }

  static async listen(frontPort: number): Promise<Halfway> {
    const relay = new Halfway(frontPort);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describe('the front door routes', () => {
  for (const [alpn, program] of [
    ['bascule-link/1', 'main'],
    ['bascule-data/1', 'relay'],
    ['bascule-rehearsal-link/1', 'main'],
    ['bascule-rehearsal-data/1', 'main'],
  ] as const) {
    it(`${alpn} alone unopened to ${program}, with every byte read so far (wire 1.2)`, async () => {
      await using bench = await new FrontBench().open();
      const hello = await clientHello([alpn]);
      const socket = bench.dial();
      // In pieces, and with more behind it: nothing may be lost on the way.
      socket.write(hello.subarray(0, 3));
      await once(socket, 'connect');
      socket.write(hello.subarray(3, 700));
      await new Promise(setImmediate);
      socket.write(Buffer.concat([hello.subarray(700), Buffer.from('early')]));
      const said = JSON.parse((await readUntil(socket, '\n')).split('\n')[0]!) as {
        name: string;
        head: string;
        address: string;
        port: number;
      };
      assert.equal(said.name, program);
      assert.deepEqual([said.address, said.port], ['127.0.0.1', socket.localPort]);
      // What came with the hello is in the head; what came after it is read by the program. Here it is echoed.
      const tail = Buffer.from(said.head, 'hex').subarray(hello.length).toString();
      assert.equal(Buffer.from(said.head, 'hex').subarray(0, hello.length).equals(hello), true);
      socket.write('later');
      const rest = 'early'.slice(tail.length) + 'later';
      assert.equal((await readUntil(socket, rest)).endsWith(rest), true);
      socket.destroy();
    });
  }

  it('what offers another protocol beside ours, or none, to the web', async () => {
    await using bench = await new FrontBench().open();
    for (const alpn of [['bascule-link/1', 'http/1.1'], ['http/1.1'], undefined]) {
      assert.equal((await echo(bench, '/x', { ALPNProtocols: alpn })).name, 'main');
    }
  });

  it('by path: /appliance to itself, /stream to the relay, the rest to main (wire 2.4)', async () => {
    await using bench = await new FrontBench().open();
    for (const path of ['/appliance', '/appliance/api/state', '/appliance?x']) {
      assert.equal((JSON.parse((await request(bench, path)).body) as { appliance: string }).appliance, path);
    }
    for (const path of ['/', '/login', '/appliances', '/streams', '/api/stream'])
      assert.equal((await echo(bench, path)).name, 'main');
    assert.equal((await echo(bench, '/stream')).name, 'relay');
  });

  it('/stream to main, too, with the cookie of a test of the standby, upgrades included: main alone says what it is worth (wire 2.4)', async () => {
    await using bench = await new FrontBench().open();
    const cookie = `a=1; ${REHEARSAL_COOKIE}=whatever; b=2`;
    assert.equal((await echo(bench, '/stream', { headers: { cookie } })).name, 'main');
    assert.equal((await echo(bench, '/stream', { headers: { cookie: `a=${REHEARSAL_COOKIE}` } })).name, 'relay');
    const appliance = await request(bench, '/appliance', { headers: { cookie } });
    assert.equal((JSON.parse(appliance.body) as { appliance: string }).appliance, '/appliance');
    const socket = bench.browse();
    socket.write(
      `GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: ${cookie}\r\n\r\nfirst`,
    );
    assert.match(await readUntil(socket, 'first'), /X-Name: main\r/);
    socket.destroy();
  });

  it('many links at once, none lost', async () => {
    await using bench = await new FrontBench().open();
    const hello = await clientHello(['bascule-link/1']);
    const ports = await Promise.all(
      Array.from({ length: 400 }, async () => {
        const socket = bench.dial();
        socket.write(hello);
        const said = JSON.parse(await readUntil(socket, '\n')) as { port: number };
        assert.equal(said.port, socket.localPort);
        socket.destroy();
        return said.port;
      }),
    );
    assert.equal(new Set(ports).size, 400);
    assert.deepEqual(bench.front.counts(), { pending: 0, browsers: 0, waitingLinks: 0 });
  });
});

describe('the front door refuses', () => {
  for (const [name, bytes] of [
    ['what is not TLS', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a record that is no ClientHello', Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['a ClientHello that lies about its length', Buffer.from([0x16, 3, 1, 0, 4, 1, 0xff, 9, 9])],
    [
      'a ClientHello that is too large',
      Buffer.concat([Buffer.from([0x16, 3, 1, (CLIENT_HELLO_MAX_BYTES + 1) >> 8, 1]), Buffer.alloc(100)]),
    ],
  ] as const) {
    it(`${name}, without an answer (wire 1.3)`, async () => {
      await using bench = await new FrontBench().open({ site: false });
      const socket = bench.dial();
      socket.write(bytes);
      assert.equal(await readAll(socket), '');
      while (bench.front.counts().pending > 0) await new Promise(setImmediate);
    });
  }

  it('a ClientHello that comes too slowly (wire 1.1)', async () => {
    await using bench = await new FrontBench().open({ site: false, clientHelloWaitMs: 100 });
    const socket = bench.dial();
    socket.write(Buffer.from([0x16, 3, 1]));
    assert.equal(await readAll(socket), '');
    while (bench.front.counts().pending > 0) await new Promise(setImmediate);
  });

  it('more pending connections than the limits say, and takes others again once they are gone', async () => {
    await using bench = await new FrontBench().open({ site: false, pendingPerAddressMax: 5 });
    const idle = Array.from({ length: 5 }, () => bench.dial());
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const tooMany = bench.dial();
    assert.equal(await readAll(tooMany), '');
    assert.equal(bench.front.counts().pending, 5);
    const gone = once(idle[0]!, 'close');
    idle[0]!.destroy();
    await gone;
    while (bench.front.counts().pending === 5) await new Promise(setImmediate);
    assert.equal((await request(bench, '/appliance')).status, 200);
    for (const socket of idle) socket.destroy();
  });

  it('a request head that comes too slowly', async () => {
    await using bench = await new FrontBench().open({ site: false, requestHeaderWaitMs: 200 });
    const socket = bench.browse();
    socket.write('GET / HTTP/1.1\r\nHost: local');
    await readAll(socket);
    assert.equal(socket.destroyed, true);
  });

  it('a link while its program is away, by closing it (wire 1.4)', async () => {
    await using bench = await new FrontBench().open({ site: false });
    const socket = bench.dial();
    socket.write(await clientHello(['bascule-link/1']));
    assert.equal(await readAll(socket), '');
  });

  it('links that a stopped program held when it is killed, and leaks none', async () => {
    await using bench = await new FrontBench().open();
    const hello = await clientHello(['bascule-link/1']);
    const before = openDescriptors();
    process.kill(bench.host.main.state.pid, 'SIGSTOP');
    const sockets = Array.from({ length: 20 }, () => bench.dial());
    for (const socket of sockets) socket.write(hello);
    while (bench.front.counts().waitingLinks < 18) await new Promise(setImmediate);
    const ends = Promise.all(sockets.map(readAll));
    process.kill(bench.host.main.state.pid, 'SIGKILL');
    // Every one is cut or, if it waited here, served by the next program: then it is echoed, and closed by us.
    await once(bench.host.main, 'change');
    await bench.host.whenReady(10_000);
    for (const socket of sockets) socket.end();
    await ends;
    while (openDescriptors() > before) await new Promise(setImmediate);
  });
});

describe('the front door carries requests', () => {
  it('with the true peer in the preamble, and without what a client says about itself (wire 2.1, 2.3)', async () => {
    await using bench = await new FrontBench().open();
    const forged = {
      forwarded: 'for=1.2.3.4',
      'x-forwarded-for': '1.2.3.4',
      'X-Forwarded-Anything': '1',
      'x-real-ip': '1.2.3.4',
      'proxy-authorization': 'x',
      'x-bascule-user': 'admin',
      'x-bascule-csrf': 'kept',
      'x-else': 'kept',
      cookie: '__Host-bascule=1',
    };
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    const { headers, preamble } = await echo(bench, '/x?y', { headers: forged, agent });
    assert.deepEqual(Object.keys(headers).sort(), ['connection', 'cookie', 'host', 'x-bascule-csrf', 'x-else']);
    assert.equal(preamble.address, '127.0.0.1');
    assert.equal(preamble.port, (await echo(bench, '/again', { agent })).preamble.port);
    assert.notEqual(preamble.port, (await echo(bench, '/other')).preamble.port);
    const appliance = JSON.parse((await request(bench, '/appliance', { headers: forged })).body) as {
      headers: object;
      peer: { address: string };
    };
    assert.deepEqual(Object.keys(appliance.headers).sort(), ['connection', 'cookie', 'host', 'x-bascule-csrf', 'x-else']);
    assert.equal(appliance.peer.address, '127.0.0.1');
    agent.destroy();
  });

  it('and takes a preamble in front of a request for malformed HTTP (wire 2.2)', async () => {
    await using bench = await new FrontBench().open();
    const socket = bench.browse();
    socket.write('BASCULE/1 {"address":"1.2.3.4","port":1}\nGET / HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.doesNotMatch(await readAll(socket), /1\.2\.3\.4/);
  });

  it('without answers that only base may give: HSTS never with a self-made certificate; several cookies stay several', async () => {
    await using bench = await new FrontBench().open();
    const { headers } = await request(bench, '/');
    assert.equal(headers['strict-transport-security'], undefined);
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  });

  it('with bodies both ways, of known length and chunked', async () => {
    await using bench = await new FrontBench().open();
    const body = 'x'.repeat(3_000_000);
    assert.equal((await request(bench, '/', { method: 'POST', body })).body, body);
    assert.equal((await request(bench, '/', { method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } })).body, body);
    assert.equal((await request(bench, '/', { method: 'POST', body: '', headers: { 'content-length': 0 } })).body, '');
  });

  it('and refuses one whose length is said twice (request smuggling)', async () => {
    await using bench = await new FrontBench().open();
    const socket = bench.browse();
    socket.write(
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    assert.doesNotMatch(await readAll(socket), /smuggled/);
  });

  it('and events at once: the head of a silent stream, then each event', async () => {
    await using bench = await new FrontBench().open();
    const outgoing = https.get({ host: '127.0.0.1', port: bench.port, path: '/events', rejectUnauthorized: false, agent: false });
    const [answer] = (await once(outgoing, 'response')) as [net.Socket];
    process.kill(bench.host.main.state.pid, 'SIGUSR2');
    assert.equal(String((await once(answer, 'data'))[0]), 'data: ticked\n\n');
    outgoing.destroy();
  });

  it('and upgrades of /stream to the relay, bytes both ways, closing with either side', async () => {
    await using bench = await new FrontBench().open();
    const socket = bench.browse();
    socket.write(
      'GET /stream?t=1 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nX-Forwarded-For: 1.2.3.4\r\nSec-WebSocket-Key: k\r\n\r\nfirst',
    );
    const head = await readUntil(socket, 'first');
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.match(head, /"sec-websocket-key":"k"/);
    assert.doesNotMatch(head, /1\.2\.3\.4/);
    const much = 'y'.repeat(2_000_000);
    socket.write(`${much}end`);
    assert.equal((await readUntil(socket, 'end')).length, much.length + 3);
    process.kill(bench.host.relay.state.pid, 'SIGKILL');
    await once(socket, 'close');
  });

  it('and an upgrade of any other path as an ordinary request', async () => {
    await using bench = await new FrontBench().open();
    const { name, headers } = await echo(bench, '/link', { headers: { connection: 'upgrade', upgrade: 'websocket' } });
    assert.deepEqual([name, headers['upgrade']], ['main', undefined]);
  });
});

describe('the front door while the site is switched', () => {
  /** A new pair of programs is put in the place of the running one, held for as long as `meanwhile` takes. */
  async function switchOver(bench: FrontBench, meanwhile: () => Promise<void>): Promise<void> {
    const candidate = await bench.host.prepare(bench.host.software, AbortSignal.timeout(20_000));
    await bench.host.freeze(candidate);
    await meanwhile();
    await bench.host.activate(candidate, () => undefined);
    bench.host.route(candidate);
  }

  it('holds requests, links and upgrades, and gives them to the new programs', async () => {
    // Nothing waits for a program that is away; what is served was held for the switch.
    await using bench = await new FrontBench().open({ siteWaitMs: 1 });
    const { pid } = await echo(bench, '/');
    const hello = await clientHello(['bascule-link/1']);
    const links = Array.from({ length: 50 }, () => bench.dial());
    const stream = bench.browse();
    const firsts: Promise<string>[] = [];
    const replies: Promise<Echo>[] = [];
    await switchOver(bench, async () => {
      firsts.push(
        ...links.map((socket) => {
          socket.write(hello);
          return readUntil(socket, '\n');
        }),
      );
      stream.write('GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      firsts.push(readUntil(stream, ' 101 '));
      for (let count = 0; count < 20; count++) replies.push(echo(bench, '/'));
      while (bench.front.counts().waitingLinks < links.length) await new Promise(setImmediate);
    });
    for (const first of await Promise.all(firsts)) assert.match(first, /"name":"main"| 101 /);
    for (const reply of await Promise.all(replies)) assert.deepEqual([reply.pid === pid, reply.generation], [false, 2]);
    assert.equal(bench.front.counts().waitingLinks, 0);
    for (const socket of [...links, stream]) socket.destroy();
  });

  it('holds for no longer than the limit, and says then what is going on', async () => {
    const installationSummary = () => ({ step: 'migrate' as const, startedAtMs: Date.now() - 3_000 });
    await using bench = await new FrontBench().open({ switchWaitMs: 200, installationSummary });
    await switchOver(bench, async () => {
      const page = await request(bench, '/login', { headers: { accept: 'text/html', 'accept-language': 'en' } });
      assert.equal(page.status, 503);
      assert.match(page.body, /<h1>An upgrade is running<\/h1>/);
      assert.match(page.body, /Step: convert the data/);
      assert.match(page.body, /Seconds since the start: [3-9]/);
      const error = JSON.parse((await request(bench, '/api/auth/me')).body) as { error: { message: string } };
      assert.match(error.error.message, /^An upgrade is running/);
    });
    assert.equal((await request(bench, '/')).status, 200);
  });
});

describe('the front door when base stops', () => {
  it('answers what is under way, says that it is the last answer, and ends what is idle', async () => {
    await using bench = await new FrontBench().open();
    const idle = bench.browse();
    idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.match(await readUntil(idle, '}}'), /Connection: keep-alive/);
    const busy = bench.browse();
    busy.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc');
    await readUntil(busy, 'abc');
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    await echo(bench, '/', { agent });
    const drained = bench.front.drain();
    assert.match(String((await request(bench, '/', { agent })).headers['connection']), /close/);
    busy.write('def');
    assert.match(await readUntil(busy, 'def'), /def/);
    assert.equal(await readAll(idle), '');
    await drained;
    assert.equal(bench.front.counts().browsers, 0);
    agent.destroy();
  });

  it('waits for connections that are about to ask, and for none that was opened in advance', async () => {
    await using bench = await new FrontBench().open();
    // That nothing was open once must not count as the end.
    await echo(bench, '/');
    while (bench.front.counts().browsers > 0) await new Promise((resolve) => setImmediate(resolve));
    const silent = bench.dial();
    const early = bench.browse();
    await once(early, 'secureConnect');
    using halfway = await Halfway.listen(bench.port);
    const asked = request(bench, '/', { port: halfway.port });
    while (bench.front.counts().pending < 2) await new Promise((resolve) => setImmediate(resolve));
    const drained = bench.front.drain();
    halfway.goOn();
    assert.equal((await asked).status, 200);
    assert.equal(await readAll(early), '');
    assert.equal(await readAll(silent), '');
    await drained;
    assert.equal(bench.front.counts().browsers, 0);
  });

  it('does not wait for what never ends', async () => {
    await using bench = await new FrontBench().open();
    const events = bench.browse();
    events.write('GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await readUntil(events, 'text/event-stream');
    const stuck = bench.browse();
    stuck.write('POST /never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n');
    await echo(bench, '/');
    const beganAtMs = performance.now();
    const cut = readAll(events);
    await bench.front.drain();
    await cut;
    const tookMs = performance.now() - beganAtMs;
    assert.ok(tookMs >= DRAIN_LIMIT_MS - 50 && tookMs < DRAIN_LIMIT_MS + 1_500, `${tookMs} ms`);
    stuck.destroy();
  });
});

describe('the front door while a program restarts', () => {
  it('holds requests and upgrades, and serves them then', async () => {
    // However long the programs take to start.
    await using bench = await new FrontBench().open({ siteWaitMs: 120_000 });
    const { pid } = await echo(bench, '/');
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    await echo(bench, '/', { agent });
    process.kill(bench.host.main.state.pid, 'SIGKILL');
    process.kill(bench.host.relay.state.pid, 'SIGKILL');
    const socket = bench.browse();
    socket.write('GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const replies = await Promise.all([...Array.from({ length: 20 }, () => echo(bench, '/')), echo(bench, '/', { agent })]);
    for (const reply of replies) {
      assert.notEqual(reply.pid, pid);
      // The same writer generation: only its program is new.
      assert.equal(reply.generation, 1);
    }
    assert.equal((await request(bench, '/', { method: 'POST', body: 'after' })).body, 'after');
    assert.match(await readUntil(socket, '\r\n\r\n'), / 101 /);
    socket.destroy();
    agent.destroy();
  });

  it('answers what the program took and did not finish with 503, when it may not be sent twice', async () => {
    await using bench = await new FrontBench().open();
    const stuck = request(bench, '/never', { method: 'POST', body: 'once' });
    // A second request on another connection is answered after the first has arrived.
    await echo(bench, '/');
    process.kill(bench.host.main.state.pid, 'SIGKILL');
    assert.equal((await stuck).status, 503);
  });

  it('shows the progress page to people and an error to programs, without login or script', async () => {
    await using bench = await new FrontBench().open({ site: false, siteWaitMs: 30 });
    const page = await request(bench, '/login', {
      headers: { accept: 'text/html', 'accept-language': 'fr, de-CH;q=0.8, en;q=0.5' },
    });
    assert.equal(page.status, 503);
    assert.match(page.body, /<html lang="de">/);
    assert.match(page.body, /http-equiv="refresh"/);
    assert.doesNotMatch(page.body, /<script/);
    assert.match(String(page.headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/);
    assert.equal(page.headers['cache-control'], 'no-store');
    const error = await request(bench, '/api/auth/me', { headers: { accept: 'text/html' } });
    assert.equal(error.status, 503);
    assert.equal((JSON.parse(error.body) as { error: { code: string } }).error.code, 'SITE_UNAVAILABLE');
    assert.equal(
      (await request(bench, '/login', { method: 'POST', body: 'x' })).headers['content-type'],
      'application/json; charset=utf-8',
    );
    assert.equal((await request(bench, '/appliance')).status, 200);
  });
});
