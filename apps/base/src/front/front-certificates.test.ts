import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { FrontBench } from '../../test/front-bench.ts';
import { openWebCertificate, type WebCertificate } from '../certificates/certificates.ts';
import { PlainDoor, type Asked } from './front.ts';

interface Dialled {
  sha256: string;
  isResumed: boolean;
  version: string | null;
  socket: tls.TLSSocket;
}

async function dial(port: number, options: tls.ConnectionOptions = {}): Promise<Dialled> {
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false,
    ...options,
  });
  await once(socket, 'secureConnect');
  // Of a resumed session there is none.
  const fingerprint256 = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  const sha256 = fingerprint256.replaceAll(':', '').toLowerCase();
  return { sha256, isResumed: socket.isSessionReused(), version: socket.getProtocol(), socket };
}

async function ask(socket: tls.TLSSocket): Promise<string> {
  socket.write('GET /appliance/x HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString().slice(0, 12);
}

test('each handshake gets what is chosen for its name and address at that moment; open connections stay', async () => {
  await using bench = new FrontBench();
  const asked: Asked[] = [];
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => openWebCertificate(join(bench.directory, name), [`${name}.example`])),
  );
  let chosen: WebCertificate = one!;
  await bench.open({
    site: false,
    certificateFor: (wanted) => {
      asked.push(wanted);
      return chosen;
    },
  });
  const before = await dial(bench.port, { servername: 'One.Example' });
  assert.equal(before.sha256, one!.sha256);
  assert.deepEqual(asked[0], { serverName: 'one.example', localAddress: '127.0.0.1' });
  assert.match(await ask(before.socket), /200/);
  chosen = two!;
  const after = await dial(bench.port, { servername: '' });
  assert.equal(after.sha256, two!.sha256);
  assert.deepEqual(asked[1], { serverName: '', localAddress: '127.0.0.1' });
  assert.match(await ask(before.socket), /200/, 'the connection of before goes on');
  before.socket.destroy();
  after.socket.destroy();
});

test('a session is resumed into the same certificate alone', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await using bench = new FrontBench();
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => openWebCertificate(join(bench.directory, name), [`${name}.example`])),
    );
    let chosen: WebCertificate = one!;
    await bench.open({ site: false, certificateFor: () => chosen });
    const socket = tls.connect({ port: bench.port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion });
    const [session] = (await once(socket, 'session')) as [Buffer];
    socket.destroy();
    const again = await dial(bench.port, { session, maxVersion });
    assert.equal(again.isResumed, true, maxVersion);
    chosen = two!;
    const other = await dial(bench.port, { session, maxVersion });
    assert.deepEqual([other.isResumed, other.sha256], [false, two!.sha256], maxVersion);
    again.socket.destroy();
    other.socket.destroy();
  }
});

test('versions and ciphers hold from the next handshake on; what OpenSSL does not know changes nothing', async () => {
  await using bench = new FrontBench();
  await bench.open({ site: false });
  const old = await dial(bench.port, { maxVersion: 'TLSv1.2' });
  bench.front.setTlsOptions({ minVersion: 'TLSv1.3' });
  await assert.rejects(dial(bench.port, { maxVersion: 'TLSv1.2' }));
  const now = await dial(bench.port);
  assert.equal(now.version, 'TLSv1.3');
  assert.match(await ask(old.socket), /200/);
  bench.front.setTlsOptions({ minVersion: 'TLSv1.2', ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256' });
  const narrow = await dial(bench.port);
  assert.equal(narrow.socket.getCipher().name, 'TLS_AES_128_GCM_SHA256');
  assert.throws(() => bench.front.setTlsOptions({ minVersion: 'TLSv1.2', ciphers: 'NO-SUCH-CIPHER' }));
  const still = await dial(bench.port);
  assert.equal(still.socket.getCipher().name, 'TLS_AES_128_GCM_SHA256');
  for (const { socket } of [old, now, narrow, still]) socket.destroy();
});

test('whoever offers acme-tls/1 alone sees the answer to the challenge, and nothing when there is none', async () => {
  await using bench = new FrontBench();
  const challenge = await openWebCertificate(join(bench.directory, 'challenge'), ['asked.example']);
  await bench.open({ site: false, challengeFor: (name) => (name === 'asked.example' ? challenge : undefined) });
  const shown = await dial(bench.port, { servername: 'asked.example', ALPNProtocols: ['acme-tls/1'] });
  assert.deepEqual([shown.sha256, shown.socket.alpnProtocol], [challenge.sha256, 'acme-tls/1']);
  shown.socket.resume();
  await once(shown.socket, 'close');
  await assert.rejects(dial(bench.port, { servername: 'other.example', ALPNProtocols: ['acme-tls/1'] }));
});

test('a certificate that cannot be used closes that connection, and no more', async () => {
  await using bench = new FrontBench();
  const good = await openWebCertificate(join(bench.directory, 'good'), ['good.example']);
  await bench.open({
    site: false,
    certificateFor: ({ serverName }) => (serverName === 'bad.example' ? { key: 'no key', cert: good.cert } : good),
  });
  await assert.rejects(dial(bench.port, { servername: 'bad.example' }));
  const { socket, sha256 } = await dial(bench.port, { servername: 'good.example' });
  assert.equal(sha256, good.sha256);
  socket.destroy();
});

test('plain HTTP sends everybody to the public name, and answers ACME alone', async (t) => {
  const bound = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  const { port } = bound.address();
  const door = new PlainDoor({
    publicAddress: 'https://box.example:8443',
    keyAuthorization: (token) => (token === 'known' ? 'known.thumb' : undefined),
  });
  await door.listen(bound.fd());
  t.after(() => {
    door.close();
    bound.close();
  });
  const get = async (path: string, method = 'GET') => {
    const sent = request({ port, host: '127.0.0.1', path, method, headers: { host: 'evil.example' }, agent: false }).end();
    const [response] = (await once(sent, 'response')) as [
      NodeJS.ReadableStream & { statusCode: number; headers: Record<string, string> },
    ];
    let text = '';
    for await (const piece of response) text += String(piece);
    return [response.statusCode, response.headers['location'], text];
  };
  assert.deepEqual(await get('/login?x=1'), [308, 'https://box.example:8443/login?x=1', '']);
  assert.deepEqual(await get('//evil.example/'), [308, 'https://box.example:8443/', '']);
  assert.deepEqual(await get('/.well-known/acme-challenge/known'), [200, undefined, 'known.thumb']);
  assert.deepEqual(await get('/.well-known/acme-challenge/other'), [404, undefined, '']);
  assert.deepEqual(await get('/.well-known/acme-challenge/../known'), [404, undefined, '']);
  assert.equal((await get('/', 'POST'))[0], 405);
});
