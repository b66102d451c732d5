import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import assert from 'node:assert/strict';
import { sign, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { firstAuthority, isFingerprintOf, judge, vouchedBy } from './site-trust.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const NONCE = 'ab'.repeat(32);
const KEY = 'cd'.repeat(32);
const UNKNOWN = { keySha256: null, authority: null, tls: 'refuse' as const };

interface Identity {
  name: string;
  keys: CryptoKeyPair;
  pem: string;
}

async function certificate(name: string, keys: CryptoKeyPair, issuer: Identity | undefined, ca: boolean): Promise<string> {
  const made = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: `CN=${issuer?.name ?? name}`,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(ca, undefined, true)],
  });
  return made.toString('pem');
}

async function identity(name: string): Promise<Identity> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  return { name, keys, pem: await certificate(name, keys, undefined, true) };
}

async function vouch({ keys }: Identity, chain: string[], { nonce = NONCE, keySha256 = KEY } = {}) {
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const text = Buffer.from(`bascule-vouch/1\n${nonce}\n${keySha256}`);
  return { keySha256, signature: sign('sha256', text, { key, format: 'der', type: 'pkcs8' }).toString('base64'), chain };
}

const asked = { nonce: NONCE, keySha256: KEY };
const same = (pem: string | undefined, expected: string) =>
  assert.equal(pem && new X509Certificate(pem).fingerprint256, new X509Certificate(expected).fingerprint256);

test('the site identity that was learnt vouches for a new key; so does its successor’s successor', async () => {
  const [first, second, third] = await Promise.all([identity('one'), identity('two'), identity('three')]);
  same(vouchedBy(first.pem, await vouch(first, []), asked), first.pem);
  const crosses = [await certificate('three', third.keys, second, true), await certificate('two', second.keys, first, true)];
  same(vouchedBy(first.pem, await vouch(third, [third.pem, ...crosses]), asked), crosses[0]!);
  assert.equal(vouchedBy(first.pem, await vouch(third, [third.pem, crosses[0]!]), asked), undefined, 'a gap in the chain');
});

test('nobody else vouches: another identity, a client’s certificate of the same one, an answer for another key or question', async () => {
  const [first, stranger] = await Promise.all([identity('one'), identity('one')]);
  assert.equal(vouchedBy(first.pem, await vouch(stranger, [stranger.pem]), asked), undefined);
  const client = await certificate('jc_1', stranger.keys, first, false);
  assert.equal(vouchedBy(first.pem, await vouch(stranger, [client]), asked), undefined, 'signed by it, but no authority');
  const other = await vouch(first, [], { keySha256: 'ef'.repeat(32) });
  assert.equal(vouchedBy(first.pem, other, asked), undefined, 'relayed by somebody with a key of their own');
  assert.equal(vouchedBy(first.pem, { ...other, keySha256: KEY }, asked), undefined);
  assert.equal(vouchedBy(first.pem, await vouch(first, [], { nonce: '00'.repeat(32) }), asked), undefined, 'of yesterday');
  assert.equal(vouchedBy('no certificate', await vouch(first, ['neither']), asked), undefined);
});

test('the identity that signed is learnt at login', async () => {
  const [first, stranger] = await Promise.all([identity('one'), identity('two')]);
  same(firstAuthority(await vouch(first, [stranger.pem, first.pem]), NONCE), first.pem);
  assert.equal(firstAuthority(await vouch(first, [stranger.pem]), NONCE), undefined);
});

test('a certificate is trusted by itself, by its confirmed key, or not; and one that changed is told from one never seen', () => {
  const shown = { sha256: '11'.repeat(32), keySha256: KEY, problem: 'DEPTH_ZERO_SELF_SIGNED_CERT' };
  assert.equal(judge({ ...shown, problem: undefined }, UNKNOWN), 'verified');
  assert.equal(judge(shown, UNKNOWN), 'unknown');
  assert.equal(judge(shown, { ...UNKNOWN, keySha256: KEY }), 'pinned');
  assert.equal(judge(shown, { ...UNKNOWN, keySha256: '22'.repeat(32) }), 'changed');
  assert.equal(judge(shown, { ...UNKNOWN, authority: 'pem' }), 'changed', 'it was verified normally before');
});

test('a fingerprint may be written as browsers, openssl or curl do', () => {
  const shown = { sha256: 'ab'.repeat(32), keySha256: KEY, problem: undefined };
  assert.ok(isFingerprintOf(Array.from({ length: 32 }, () => 'AB').join(':'), shown));
  assert.ok(isFingerprintOf(`sha256:${KEY}`, shown));
  assert.ok(!isFingerprintOf('ab', shown));
  assert.ok(!isFingerprintOf('', shown));
});
