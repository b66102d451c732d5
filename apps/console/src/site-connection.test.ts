import assert from 'node:assert/strict';
import 'reflect-metadata';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { z } from 'zod';
import { ConsoleHome } from './console-home.ts';
import { ConsoleError } from './exit-code.ts';
import { SiteConnection, SiteRefusal } from './site-connection.ts';
import { keySha256Of } from './site-trust.ts';
import { X509Certificate } from 'node:crypto';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const ABOUT = { site: 's', version: '1.0.0', revision: 'r', supported: true, bundleVersion: null, bundle: null, runtime: null };
const answer = z.object({ from: z.string() });

let tls: { key: string; cert: string };
let otherTls: { key: string; cert: string };
const servers: Server[] = [];
const directory = mkdtempSync(join(tmpdir(), 'bascule-console-'));
before(async () => ([tls, otherTls] = await Promise.all([newTls(), newTls()])));
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true });
});

async function newTls() {
  const keys = (await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair;
  const extensions = [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    extensions,
    signingAlgorithm: ALGORITHM,
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { key, cert: certificate.toString('pem') };
}

/** An appliance that has the site, or is a backup, which knows nothing of consoles and of this login. */
async function appliance(name: string, isPrimary: () => boolean, credentials = tls): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(credentials, (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`);
    const isAbout = request.url?.startsWith('/api/console/about') === true;
    const [status, body] = !isPrimary()
      ? [isAbout ? 404 : 401, { error: { code: 'NO', message: 'no', requestId: 'r' } }]
      : [200, isAbout ? { ...ABOUT, root: null, tls: 'refuse' } : { from: name }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return { port: (server.address() as AddressInfo).port, asked };
}

/** A console that has confirmed the key, and was told of the addresses. */
function console(name: string, ownPort: number, ports: number[]): SiteConnection {
  const home = new ConsoleHome(join(directory, name));
  const site = new URL(`https://localhost:${ownPort}`);
  home.remember(site.origin, {
    keySha256: keySha256Of(new X509Certificate(tls.cert)),
    addresses: ports.map((port) => ({ host: '127.0.0.1', port })),
  });
  return new SiteConnection({ site, home });
}

test('a backup’s refusals are not believed: the request goes where the site is, by the same name, and stays there', async () => {
  let primary = 'a';
  const a = await appliance('a', () => primary === 'a');
  const b = await appliance('b', () => primary === 'b');
  const connection = console('moves', a.port, [b.port]);
  const ask = async () => (await connection.call('POST', 'thing', answer, {})).from;
  assert.deepEqual([await ask(), connection.place], ['a', undefined]);
  primary = 'b';
  assert.deepEqual([await ask(), connection.place], ['b', `127.0.0.1:${b.port}`]);
  assert.ok(b.asked.every((line) => line.endsWith(`localhost:${a.port}`)));
  const askedOfA = a.asked.length;
  assert.equal(await ask(), 'b');
  assert.equal(a.asked.length, askedOfA);
  primary = 'nobody';
  await assert.rejects(ask(), SiteRefusal);
  connection.close();
});

test('nothing listens at the site’s name: the next address; one with another certificate is passed over', async () => {
  const gone = createServer(tls).listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  const stranger = await appliance('stranger', () => true, otherTls);
  const b = await appliance('b', () => true);
  const connection = console('gone', port, [stranger.port, b.port]);
  assert.equal((await connection.call('POST', 'thing', answer, {})).from, 'b');
  assert.deepEqual(stranger.asked, [], 'nothing is sent to whom is not trusted');
  connection.close();
});

test('a console that knows one address believes what it hears', async () => {
  const a = await appliance('a', () => false);
  const connection = console('single', a.port, []);
  await assert.rejects(connection.call('GET', 'thing', answer), (error) => error instanceof SiteRefusal && error.status === 401);
  assert.deepEqual(a.asked.length, 1);
  connection.close();
  const stranger = await appliance('stranger', () => true, otherTls);
  const refused = console('refused', stranger.port, [a.port]);
  await assert.rejects(refused.call('GET', 'thing', answer), ConsoleError);
  refused.close();
});
