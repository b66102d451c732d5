import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { TLSSocket, connect as connectTls, createSecureContext } from 'node:tls';
import { PAIR_ALPN } from '@bascule/protocol/pair-link.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { exporterOf, proofOf, transcriptOf, type ConnectionView } from './establish-channel.ts';
import { connectPair } from './pair-dial-connection.ts';
import { ADMINISTRATOR, PRE_SHARED, TestSide, type TestSideOptions } from './pair-testing.ts';

const OTHER_KEY = 'a quite different pre-shared key';

async function openSides(t: TestContext, ...options: TestSideOptions[]): Promise<TestSide[]> {
  const sides = await Promise.all(options.map((one) => TestSide.open(one)));
  t.after(() => Promise.all(sides.map((side) => side.close())));
  return sides;
}

/** Speaks `/establish/*` by hand, on one connection. */
class Stranger {
  readonly socket: TLSSocket;
  readonly #by: TestSide;
  readonly #to: TestSide;
  view: ConnectionView | undefined;

  private constructor(by: TestSide, to: TestSide, socket: TLSSocket) {
    this.#by = by;
    this.#to = to;
    this.socket = socket;
  }

  static async dial(by: TestSide, to: TestSide): Promise<Stranger> {
    return new Stranger(by, to, await connectPair({ key: by.key, endpoint: to.endpoint }));
  }

  /** The answer's bytes without its date. */
  async post(path: string, body: string | Buffer): Promise<string> {
    const head = `POST /establish/${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    this.socket.write(Buffer.concat([Buffer.from(head), Buffer.from(body)]));
    let text = '';
    for (;;) {
      const [piece] = (await Promise.race([once(this.socket, 'data'), once(this.socket, 'close').then(() => [])])) as [Buffer?];
      if (piece === undefined) return text.replace(/Date: .*\r\n/, '');
      text += piece.toString();
      const [, length] = /content-length: (\d+)\r\n/i.exec(text) ?? [];
      const bodyAt = text.indexOf('\r\n\r\n') + 4;
      if (length !== undefined && bodyAt > 3 && text.length - bodyAt >= Number(length)) return text.replace(/Date: .*\r\n/, '');
    }
  }

  async hello(): Promise<ConnectionView> {
    const diallerNonce = randomBytes(32);
    const text = await this.post('hello', JSON.stringify({ versions: [1], nonce: diallerNonce.toString('base64') }));
    const { nonce } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { nonce: string };
    this.view = {
      version: 1,
      diallerKey: this.#by.key.sha256,
      answererKey: this.#to.key.sha256,
      diallerNonce,
      answererNonce: Buffer.from(nonce, 'base64'),
      exporter: exporterOf(this.socket),
    };
    return this.view;
  }

  prove(view: ConnectionView, key = this.#by.preSharedKey): Promise<string> {
    return this.post('prove', JSON.stringify({ proof: proofOf(key, 'dialler', transcriptOf(view)).toString('base64') }));
  }
}

test('wrong key, no key, too often, nonsense, too large: the same bytes', async (t) => {
  const [asker, wrong, unset] = await openSides(t, { preSharedKey: PRE_SHARED }, { preSharedKey: OTHER_KEY }, {});
  assert.ok(asker && wrong && unset);
  const answers: string[] = [];
  const times: Record<string, number[]> = { wrong: [], unset: [] };
  for (let round = 0; round < 6; round++)
    for (const [name, side] of Object.entries({ wrong, unset })) {
      const stranger = await Stranger.dial(asker, side);
      const view = await stranger.hello();
      const startedMs = performance.now();
      answers.push(await stranger.prove(view));
      times[name]?.push(performance.now() - startedMs);
    }
  // The rate of this address is used up by now: the right key is refused like a wrong one.
  const right = await Stranger.dial(wrong, wrong);
  answers.push(await right.prove(await right.hello()));
  for (const [path, body] of [
    ['prove', JSON.stringify({ proof: 'A'.repeat(43) + '=' })],
    ['call', JSON.stringify({ sealed: 'AAAA' })],
    ['hello', 'no JSON'],
    ['hello', JSON.stringify({ versions: [99], nonce: randomBytes(32).toString('base64') })],
    ['hello', JSON.stringify({ versions: [1], nonce: 'AAAA', padding: 'A'.repeat(5000) })],
    ['else', '{}'],
  ] as const)
    answers.push(await (await Stranger.dial(asker, wrong)).post(path, body));
  assert.equal(new Set(answers).size, 1, [...new Set(answers)].join('\n---\n'));
  assert.match(answers[0] ?? '', /^HTTP\/1.1 403 /);
  const median = (list: number[]) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;
  const [wrongMs, unsetMs] = [median(times['wrong'] ?? []), median(times['unset'] ?? [])];
  // Generous, for a machine with other work: a slow hash in one of the two would be hundreds of times more.
  assert.ok(Math.abs(wrongMs - unsetMs) < 150, `${wrongMs} ms and ${unsetMs} ms`);
});

test('attempts are audited, at a bounded rate', async (t) => {
  const [asker, side] = await openSides(t, { preSharedKey: OTHER_KEY }, { preSharedKey: PRE_SHARED });
  assert.ok(asker && side);
  for (let attempt = 0; attempt < 4; attempt++) {
    const stranger = await Stranger.dial(asker, side);
    await stranger.prove(await stranger.hello());
  }
  const refusals = () => readAudit(side.store, { limit: 100 }).filter(({ code }) => code === 'PAIR_STRANGER_REFUSED');
  assert.equal(refusals().length, 1);
  side.establishing.close();
  const counts = refusals().map(({ details }) => (JSON.parse(details) as { count: number }).count);
  assert.deepEqual(counts, [3, 1], 'what followed is counted together');
});

test('a proof is good for its own connection alone', async (t) => {
  const [asker, side] = await openSides(t, { preSharedKey: PRE_SHARED }, { preSharedKey: PRE_SHARED });
  assert.ok(asker && side);
  const first = await Stranger.dial(asker, side);
  const earlier = await first.hello();
  assert.match(await first.prove(earlier), /^HTTP\/1.1 200 /);
  const second = await Stranger.dial(asker, side);
  const view = await second.hello();
  // As a replay, and with everything of this connection but the exporter.
  assert.match(await second.prove({ ...view, exporter: earlier.exporter }), /^HTTP\/1.1 403 /);
  const third = await Stranger.dial(asker, side);
  await third.hello();
  assert.match(await third.prove(earlier), /^HTTP\/1.1 403 /);
  const fourth = await Stranger.dial(asker, side);
  const own = await fourth.hello();
  const turned = { ...own, diallerKey: own.answererKey, answererKey: own.diallerKey };
  assert.match(await fourth.prove(turned), /^HTTP\/1.1 403 /);
});

test('what is not sealed for the next call ends the connection', async (t) => {
  const [asker, side] = await openSides(t, { preSharedKey: PRE_SHARED }, { preSharedKey: PRE_SHARED });
  assert.ok(asker && side);
  const stranger = await Stranger.dial(asker, side);
  await stranger.prove(await stranger.hello());
  const sealed = createHmac('sha256', 'nothing').update('at all').digest('base64');
  assert.match(await stranger.post('call', JSON.stringify({ sealed })), /^HTTP\/1.1 403 /);
  stranger.socket.resume();
  if (!stranger.socket.closed) await once(stranger.socket, 'close');
  const large = await Stranger.dial(asker, side);
  await large.prove(await large.hello());
  const answer = await large.post('call', Buffer.alloc(5 * 1024 * 1024, 'A')).catch(() => '');
  assert.doesNotMatch(answer, /^HTTP\/1.1 200 /);
});

/** Ends TLS towards both sides with keys of its own, and passes on what they say. */
async function openMiddle(t: TestContext, to: TestSide, key: { keyPem: string; certificatePem: string }) {
  const seen: Buffer[] = [];
  const server = createServer((raw) => {
    const context = createSecureContext({ key: key.keyPem, cert: key.certificatePem });
    const front = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [PAIR_ALPN],
    });
    const back = connectTls({
      ...to.endpoint,
      key: key.keyPem,
      cert: key.certificatePem,
      ALPNProtocols: [PAIR_ALPN],
      rejectUnauthorized: false,
    });
    for (const [from, into] of [
      [front, back],
      [back, front],
    ] as const) {
      from.on('data', (piece: Buffer) => {
        seen.push(piece);
        into.write(piece);
      });
      from.on('error', () => into.destroy());
      from.on('close', () => into.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  return { endpoint: { host: '127.0.0.1', port }, seen: () => Buffer.concat(seen).toString('latin1') };
}

test('whoever sits between them with keys of his own learns no key, and gets nothing', async (t) => {
  const [primary, backup, thief] = await openSides(t, { preSharedKey: PRE_SHARED }, { preSharedKey: PRE_SHARED }, {});
  assert.ok(primary && backup && thief);
  const middle = await openMiddle(t, backup, thief.key);
  const request = { primary: primary.endpoint, backup: middle.endpoint, withCertificate: true, mode: 'async' as const };
  const { checks } = await primary.establishing.preview(request);
  assert.deepEqual(
    checks.filter(({ outcome }) => outcome === 'red').map(({ code }) => code),
    ['key'],
  );
  await assert.rejects(primary.establishing.establish(ADMINISTRATOR, request), { code: 'FAILOVER_CHECKS_FAILED' });
  assert.deepEqual([backup.adopted, primary.committed], [undefined, undefined]);
  assert.match(middle.seen(), /\/establish\/prove/);
  assert.doesNotMatch(middle.seen(), /\/establish\/call|sealed/);
  assert.ok(!middle.seen().includes(PRE_SHARED));
  assert.ok(!middle.seen().includes(createHash('sha256').update(PRE_SHARED).digest('hex')));
});
