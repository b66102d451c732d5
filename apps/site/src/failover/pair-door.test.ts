import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { AppError } from '@bascule/errors/app-error.ts';
import { PAIR_ALPN } from '@bascule/protocol/pair-link.ts';
import { PairKey } from './pair-key.ts';
import { TestSide, type TestSideOptions } from './pair-testing.ts';

/** Two appliances that have pinned each other, and a third that nobody knows. */
async function threeSides(t: TestContext, options: TestSideOptions = {}) {
  const [one, other, third] = await Promise.all([TestSide.open(), TestSide.open(options), TestSide.open()]);
  t.after(() => Promise.all([one.close(), other.close(), third.close()]));
  one.pin(other);
  other.pin(one);
  third.pin(other);
  const reached: string[] = [];
  other.onPeerRequest = (request, response) => {
    reached.push(`${request.method} ${request.url}`);
    request.resume();
    request.once('end', () => response.end('{}'));
  };
  return { one, other, third, reached };
}

/** A raw TLS connection to `side`; as `by`, or without a certificate. */
async function dialRaw(side: TestSide, by: TestSide | undefined, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({
    ...side.endpoint,
    ...(by !== undefined && { key: by.key.keyPem, cert: by.key.certificatePem }),
    ALPNProtocols: [PAIR_ALPN],
    rejectUnauthorized: false,
    ...options,
  });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve).once('close', () => resolve()));
  return socket;
}

async function isClosed(socket: TLSSocket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

const code = (expected: string) => (error: unknown) => error instanceof AppError && error.code === expected;

test('two doors: each lets the other in, requests and a followed link go over real TLS, and an end is said', async (t) => {
  const { one, other } = await threeSides(t);
  const back = await other.dial.request('GET', '/state');
  assert.deepEqual([back.status, back.body], [200, { path: '/state' }]);
  assert.equal((await one.dial.request('POST', '/role', { kind: 'break' })).status, 200);

  other.onFollow = (socket) => void socket.on('message', (data) => socket.send(data));
  const link = await one.dial.follow();
  link.send('hello');
  const [data] = (await once(link, 'message')) as [Buffer];
  assert.equal(data.toString(), 'hello');
  const closed = once(link, 'close');
  await other.door.close();
  assert.equal((await closed)[0], 1001);
});

test('whoever has another key gets nothing but /establish, and is noted', async (t) => {
  const { other, third, reached } = await threeSides(t);
  await assert.rejects(third.dial.request('GET', '/state'), code('PAIR_UNREACHABLE'));
  await assert.rejects(third.dial.request('POST', '/role', { kind: 'break' }), code('PAIR_UNREACHABLE'));
  await assert.rejects(third.dial.follow(), code('PAIR_UNREACHABLE'));
  assert.deepEqual(reached, []);
  assert.deepEqual(other.follows, []);
  assert.deepEqual(other.refusals, ['other-key', 'other-key', 'other-key']);
  const { status } = await third.dial.request('POST', '/establish/hello', { versions: [1], nonce: 'AAAA' });
  assert.equal(status, 403);
});

test('nothing is said to an appliance whose key is not the pinned one', async (t) => {
  const { one, other, third, reached } = await threeSides(t);
  third.onPeerRequest = (request, response) => void response.end(reached.push('third'));
  third.peer = { keySha256: one.key.sha256, host: '', port: 1 };
  one.peer = { keySha256: other.key.sha256, ...third.endpoint };
  await assert.rejects(one.dial.request('POST', '/role', { secret: true }), code('PAIR_KEY_DIFFERS'));
  await assert.rejects(one.dial.follow(), code('PAIR_KEY_DIFFERS'));
  assert.deepEqual(reached, []);
});

test('no certificate, an older TLS, another protocol: closed', async (t) => {
  const { one, other, reached } = await threeSides(t);
  const without = await dialRaw(other, undefined);
  without.write('GET /state HTTP/1.1\r\nHost: x\r\n\r\n');
  await isClosed(without);
  assert.deepEqual(other.refusals, ['no-certificate']);
  const older = await dialRaw(other, one, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  await isClosed(older);
  assert.equal(older.getProtocol(), null);
  const foreign = await dialRaw(other, one, { ALPNProtocols: ['http/1.1'] });
  await isClosed(foreign);
  assert.deepEqual(reached, []);
});

test('a peer that does not answer is given up in time, and said so', async (t) => {
  const { one, other } = await threeSides(t);
  other.onPeerRequest = () => undefined;
  const late = one.dial.request('GET', '/state', undefined, { timeoutMs: 300 });
  await assert.rejects(late, /no answer came in time/);
});

test('a peer whose relationship ended is cut, and does not come back on a connection that stands', async (t) => {
  const { one, other } = await threeSides(t);
  const link = await one.dial.follow();
  assert.equal((await one.dial.request('GET', '/state')).status, 200);
  const closed = once(link, 'close');
  other.peer = undefined;
  await assert.rejects(one.dial.request('GET', '/state'), code('PAIR_UNREACHABLE'));
  other.door.dropOthers();
  await closed;
});

test('who is slow is cut: with the handshake, with the head, with the body, and a link that is silent', async (t) => {
  const { one, other, reached } = await threeSides(t, { doorLimits: { requestMs: 1000, silenceMs: 300 } });
  const { other: hurried } = await threeSides(t, { doorLimits: { handshakeMs: 100 } });
  const mute = connectTcp(hurried.port, '127.0.0.1').on('error', () => undefined);
  await once(mute.resume(), 'close');
  const head = await dialRaw(other, one);
  head.write('GET /state HTTP/1.1\r\nHos');
  await isClosed(head);
  const body = await dialRaw(other, one);
  body.write('POST /role HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"half":');
  await isClosed(body);
  assert.deepEqual(reached, ['POST /role'], 'it was begun, and never had a whole body');
  const silent = await dialRaw(other, one);
  silent.write(
    'GET /follow HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await isClosed(silent);
  assert.equal(other.follows.length, 1);
});

test('strangers are few: beyond the rate of an address they are cut, and the peer is let in all the same', async (t) => {
  const now = () => 1_790_000_000_000;
  const { one, other, third } = await threeSides(t, { now, doorLimits: { strangerBurst: 3 } });
  const sockets: TLSSocket[] = [];
  for (let count = 0; count < 6; count++) sockets.push(await dialRaw(other, third));
  await Promise.all(sockets.slice(3).map(isClosed));
  assert.deepEqual(other.refusals, ['rate', 'rate', 'rate']);
  assert.ok(sockets.slice(0, 3).every((socket) => !socket.closed));
  assert.equal((await one.dial.request('GET', '/state')).status, 200);
  for (const socket of sockets) socket.destroy();
});

test('a download goes on where it was cut, paced by whoever takes it', async (t) => {
  const { one, other } = await threeSides(t);
  const whole = Buffer.alloc(3_000_000, 'bascule ');
  let cutAfter = 1_000_000;
  other.onPeerRequest = (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` };
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': whole.length - from, ...(from > 0 && range) });
    if (from + cutAfter >= whole.length) return void response.end(whole.subarray(from));
    response.write(whole.subarray(from, from + cutAfter), () => response.destroy());
  };
  const folder = mkdtempSync(join(tmpdir(), 'bascule-download-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'copy');
  let taken = 0;
  const onBytes = (bytes: number) => void (taken += bytes);
  const { signal } = new AbortController();
  await assert.rejects(one.dial.download('/snapshot', file, 0, onBytes, signal), code('PAIR_UNREACHABLE'));
  assert.ok(taken > 0 && taken < whole.length);
  cutAfter = whole.length;
  const rest = await one.dial.download('/snapshot', file, taken, onBytes, signal);
  assert.deepEqual([rest.status, rest.bytes, rest.totalBytes], [206, whole.length, whole.length]);
  assert.ok(readFileSync(file).equals(whole));
});

test('a download takes no more than was announced, and a full disk is called one', async (t) => {
  const { one, other } = await threeSides(t);
  other.onPeerRequest = (_request, response) => void response.end(Buffer.alloc(100_000));
  const folder = mkdtempSync(join(tmpdir(), 'bascule-download-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'copy');
  const { signal } = new AbortController();
  const tooLarge = one.dial.download('/snapshot', file, 0, () => undefined, signal, 99_999);
  await assert.rejects(tooLarge, code('PAIR_ANSWER_INVALID'));
  assert.ok(readFileSync(file).length <= 99_999);
  assert.equal((await one.dial.download('/snapshot', file, 0, () => undefined, signal, 100_000)).bytes, 100_000);
  await assert.rejects(
    one.dial.download('/snapshot', '/dev/full', 0, () => undefined, signal),
    code('STORE_DISK_FULL'),
  );
});

test('the pair key stays what it is over a restart, and a damaged one is not replaced', async (t) => {
  const first = await TestSide.open();
  const { sha256 } = first.key;
  await first.stop();
  const again = await TestSide.open({ directory: first.directory });
  t.after(() => again.close());
  assert.equal(again.key.sha256, sha256);
  const damaged = mkdtempSync(join(tmpdir(), 'bascule-key-'));
  t.after(() => rmSync(damaged, { recursive: true }));
  writeFileSync(join(damaged, 'pair.key'), 'nothing');
  await assert.rejects(PairKey.open(damaged), code('PAIR_KEY_DAMAGED'));
  assert.equal(readFileSync(join(damaged, 'pair.key'), 'utf8'), 'nothing');
});
