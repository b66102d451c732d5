import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { HandedCertificate, openWebCertificate, SELF_MADE_DAYS, type WebCertificate } from './certificates.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

async function openBox(t: TestContext, name: string, now?: () => number) {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-handed-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const own = await openWebCertificate(directory, [name, 'localhost']);
  const changes: WebCertificate[] = [];
  const open = () => {
    const handed = new HandedCertificate({ directory, own: () => own, ...(now && { now }) });
    handed.onChanged = (certificate) => void changes.push(certificate);
    return handed;
  };
  return { own, open, directory, changes };
}

async function handOver(t: TestContext, now?: () => number) {
  const [primary, backup] = [await openBox(t, 'shared.example'), await openBox(t, 'south.example', now)];
  const given = primary.open().answer({ kind: 'ask-certificate', nonce: 1, host: 'shared.example', withKey: true });
  const { certificatePem = '', keyPem = '' } = given;
  const handed = backup.open();
  const taken = handed.answer({ kind: 'take-certificate', nonce: 2, certificatePem, keyPem });
  return { primary, backup, handed, taken };
}

test('a backup serves the shared name with the key of the primary, and its own names with its own', async (t) => {
  const { primary, backup, handed, taken } = await handOver(t);
  assert.deepEqual([taken.error, taken.nonce], [undefined, 2]);
  assert.ok(taken.names.includes('shared.example') && taken.names.includes('south.example'));
  assert.deepEqual(handed.namesAsked, ['shared.example']);
  assert.equal(handed.keyPinFor('shared.example'), primary.own.keyPin);
  assert.equal(handed.keyPinFor('south.example'), backup.own.keyPin);
  assert.equal(backup.changes[0]?.sha256, primary.own.sha256);
  const again = backup.open();
  assert.equal(again.keyPinFor('shared.example'), primary.own.keyPin, 'also after a restart');
  const back = again.answer({ kind: 'ask-certificate', nonce: 3, host: 'shared.example', withKey: true });
  assert.equal(back.certificatePem, primary.own.cert, 'and hands it over in turn');
});

test('without being asked for it no key is given; a key of another certificate is refused', async (t) => {
  const { primary, backup } = await handOver(t);
  const asked = primary.open().answer({ kind: 'ask-certificate', nonce: 1, host: 'shared.example', withKey: false });
  assert.deepEqual([asked.keyPem, asked.certificatePem], [undefined, undefined]);
  const before = readFileSync(join(backup.directory, 'shared.pem'), 'utf8');
  const wrong = { kind: 'take-certificate', nonce: 2, certificatePem: primary.own.cert, keyPem: backup.own.key } as const;
  assert.match(backup.open().answer(wrong).error ?? '', /cannot be used/);
  assert.equal(readFileSync(join(backup.directory, 'shared.pem'), 'utf8'), before);
});

test('a key is given only after that was written down', async (t) => {
  const box = await openBox(t, 'shared.example');
  const handed = box.open();
  const hosts: string[] = [];
  handed.onGive = (host) => void hosts.push(host);
  const ask = { kind: 'ask-certificate', nonce: 1, host: 'shared.example' } as const;
  assert.equal(handed.answer({ ...ask, withKey: false }).keyPem, undefined);
  assert.deepEqual(hosts, []);
  assert.equal(handed.answer({ ...ask, withKey: true }).keyPem, box.own.key);
  assert.deepEqual(hosts, ['shared.example']);
  handed.onGive = () => {
    throw new Error('the disk is full');
  };
  const answer = handed.answer({ ...ask, withKey: true });
  assert.deepEqual([answer.keyPem, answer.certificatePem], [undefined, undefined]);
  assert.match(answer.error ?? '', /free space/);
});

test('one that nobody else renews is made anew for the same key', async (t) => {
  let nowMs = Date.now();
  const { primary, backup, handed } = await handOver(t, () => nowMs);
  await handed.renew();
  assert.equal(handed.current?.sha256, primary.own.sha256, 'not due');
  nowMs += (SELF_MADE_DAYS - 20) * DAY_MS;
  await handed.renew();
  assert.notEqual(handed.current?.sha256, primary.own.sha256);
  assert.equal(handed.current?.keyPin, primary.own.keyPin);
  assert.ok((handed.current?.notAfterMs ?? 0) > nowMs + 300 * DAY_MS);
  assert.equal(backup.changes.length, 2);
});
