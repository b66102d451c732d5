/** What the primary finds when it asks the backup's front door for the shared name (docs/decisions/0259). */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { lookAtName } from './rehearsal-guide-name.ts';

const NAME = 'access.example.org';
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

interface Made {
  key: string;
  cert: string;
  pin: string;
}

async function certificateOf(...names: x509.JsonGeneralName[]): Promise<Made> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.SubjectAlternativeNameExtension(names)],
  });
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', keys.publicKey));
  return {
    key: x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
    cert: made.toString('pem'),
    pin: createHash('sha256').update(spki).digest('base64'),
  };
}

let shared: Made;
let own: Made;
let backup: Server;
let endpoint: { host: string; port: number };

before(async () => {
  x509.cryptoProvider.set(crypto);
  [shared, own] = await Promise.all([
    certificateOf({ type: 'dns', value: NAME }),
    certificateOf({ type: 'dns', value: 'south.example.org' }, { type: 'ip', value: '127.0.0.1' }),
  ]);
  // As base: one certificate for whoever asks for the shared name, another for everybody else.
  backup = createServer({ key: own.key, cert: own.cert });
  backup.addContext(NAME, { key: shared.key, cert: shared.cert });
  backup.listen(0, '127.0.0.1');
  await once(backup, 'listening');
  endpoint = { host: '127.0.0.1', port: (backup.address() as AddressInfo).port };
});
after(() => backup?.close());

test('the name is asked for as a browser asks: the key of now is fine, another one that nobody vouches for is not', async () => {
  assert.deepEqual(await lookAtName(endpoint, NAME, shared.pin), {
    isFine: true,
    text: `The backup serves ${NAME} with the same key as this appliance.`,
  });
  const other = await lookAtName(endpoint, NAME, own.pin);
  assert.equal(other.isFine, false);
  assert.match(other.text, /another certificate/);
});

test('a certificate for other names is red, also with the key of now; an address is asked for without a name', async () => {
  const look = await lookAtName(endpoint, 'other.example.org', own.pin);
  assert.deepEqual([look.isFine, /is not good for other\.example\.org/.test(look.text)], [false, true]);
  assert.equal((await lookAtName(endpoint, '127.0.0.1', own.pin)).isFine, true);
});

test('nobody there is red, and said why', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const look = await lookAtName({ host: '127.0.0.1', port }, NAME, shared.pin);
  assert.deepEqual([look.isFine, /nothing listens on that port/.test(look.text)], [false, true]);
});
