import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '@bascule/errors/app-error.ts';
import { applianceIdOf, openApplianceKey, publicKeyText, readPublicKey } from './appliance-key.ts';
import { QUESTION_CLOCK_LEEWAY_MS, readQuestion, signQuestion } from './appliance-question.ts';
import { createDownloadKey, DOWNLOAD_KEY_LIFE_MS, readDownloadKey } from './download-key.ts';

const NOW_MS = 1_800_000_000_000;
const { privateKey } = generateKeyPairSync('ed25519');
const about = {
  applianceName: 'access.example.net',
  installed: { base: '0.1.0', site: '0.1.0', runtimes: ['a'.repeat(64)] },
  rootVersion: 3,
  nonce: 'abcdefghijklmnopqrstuv',
};
const make = () => createDownloadKey({ privateKey, ...about, nowMs: NOW_MS });
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
};

test('a download key says who asks and what it has; it looks as B71 says (package-format 6.1)', () => {
  const text = make();
  match(text, /^-----BEGIN KEY-----\n([0-9A-Za-z+/=]{1,64}\n)+-----END KEY-----\n$/);
  ok(text.split('\n').length <= 16, 'about 14 lines');
  const key = readDownloadKey(text, NOW_MS + 60_000);
  deepEqual(key, {
    ...about,
    publicKey: publicKeyText(privateKey),
    applianceId: applianceIdOf(privateKey),
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 24 * 60_000,
  });
});

test('it is good for 24 minutes, and a clock that is ahead is named', () => {
  const text = make();
  equal(
    codeOf(() => readDownloadKey(text, NOW_MS + DOWNLOAD_KEY_LIFE_MS - 1)),
    'none',
  );
  equal(
    codeOf(() => readDownloadKey(text, NOW_MS + DOWNLOAD_KEY_LIFE_MS)),
    'DOWNLOAD_KEY_EXPIRED',
  );
  equal(
    codeOf(() => readDownloadKey(text, NOW_MS - 4 * 60_000)),
    'none',
  );
  equal(
    codeOf(() => readDownloadKey(text, NOW_MS - 6 * 60_000)),
    'DOWNLOAD_KEY_FROM_THE_FUTURE',
  );
});

test('mail programs may fold it: white space does not count', () => {
  const text = make();
  readDownloadKey(`  \r\n${text.replaceAll('\n', '\r\n   ')}\n\n`, NOW_MS);
  readDownloadKey(text.replaceAll('\n', ' '), NOW_MS);
});

test('a key that claims a longer life, or another appliance, is refused though it is signed', () => {
  const forge = (changes: Record<string, unknown>, signer = privateKey) => {
    const payload = JSON.stringify({
      format: 'bascule-download-key/1',
      publicKey: publicKeyText(privateKey),
      ...about,
      createdAtMs: NOW_MS,
      expiresAtMs: NOW_MS + DOWNLOAD_KEY_LIFE_MS,
      ...changes,
    });
    const signature = sign(null, Buffer.from(`bascule-download-key/1\0${payload}`), signer);
    return `-----BEGIN KEY-----\n${Buffer.concat([signature, Buffer.from(payload)]).toString('base64')}\n-----END KEY-----`;
  };
  equal(
    codeOf(() => readDownloadKey(forge({}), NOW_MS)),
    'none',
  );
  equal(
    codeOf(() => readDownloadKey(forge({ expiresAtMs: NOW_MS + 1e9 }), NOW_MS)),
    'DOWNLOAD_KEY_MALFORMED',
  );
  equal(
    codeOf(() => readDownloadKey(forge({}, generateKeyPairSync('ed25519').privateKey), NOW_MS)),
    'DOWNLOAD_KEY_SIGNATURE',
  );
  equal(
    codeOf(() => readDownloadKey(forge({ publicKey: 'AAAA' }), NOW_MS)),
    'DOWNLOAD_KEY_MALFORMED',
  );
});

test('property: any changed character makes it malformed or its signature wrong', () => {
  const text = make();
  const from = text.indexOf('\n') + 1;
  const to = text.lastIndexOf('\n-----END');
  fc.assert(
    fc.property(fc.integer({ min: from, max: to - 1 }), fc.constantFrom(...Array.from('ABCabc019+/=')), (at, character) => {
      if (text[at] === character || text[at] === '\n') return;
      const changed = text.slice(0, at) + character + text.slice(at + 1);
      match(
        codeOf(() => readDownloadKey(changed, NOW_MS)),
        /^DOWNLOAD_KEY_(MALFORMED|SIGNATURE)$/,
      );
    }),
    { numRuns: 500 },
  );
});

test('property: whatever text comes, the answer is a DOWNLOAD_KEY error', () => {
  const body = fc.oneof(
    fc.string(),
    fc.base64String(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
  );
  fc.assert(
    fc.property(body, fc.boolean(), (text, isFramed) => {
      match(
        codeOf(() => readDownloadKey(isFramed ? `-----BEGIN KEY-----\n${text}\n-----END KEY-----` : text, NOW_MS)),
        /^DOWNLOAD_KEY_MALFORMED$/,
      );
    }),
  );
  equal(
    codeOf(() => readDownloadKey('A'.repeat(1_000_000), NOW_MS)),
    'DOWNLOAD_KEY_MALFORMED',
  );
});

test('questions: signed, dated, with a number used once (package-format 7)', () => {
  const raw = signQuestion(privateKey, { installed: '0.1.0' }, NOW_MS);
  const question = readQuestion(raw, NOW_MS + 1000);
  equal(question.applianceId, applianceIdOf(privateKey));
  deepEqual(question.body, { installed: '0.1.0' });
  ok(question.nonce !== readQuestion(signQuestion(privateKey, {}, NOW_MS), NOW_MS).nonce);
  equal(
    codeOf(() => readQuestion(raw, NOW_MS + QUESTION_CLOCK_LEEWAY_MS + 1)),
    'QUESTION_TIME',
  );
  equal(
    codeOf(() => readQuestion(raw, NOW_MS - QUESTION_CLOCK_LEEWAY_MS - 1)),
    'QUESTION_TIME',
  );
  equal(
    codeOf(() => readQuestion(raw.replace('0.1.0', '0.2.0'), NOW_MS)),
    'QUESTION_SIGNATURE',
  );
  equal(
    codeOf(() => readQuestion('{', NOW_MS)),
    'QUESTION_MALFORMED',
  );
  equal(
    codeOf(() => readQuestion('x'.repeat(100_000), NOW_MS)),
    'QUESTION_MALFORMED',
  );
  // What is signed as a download key is no question.
  const key = make().split('\n').slice(1, -2).join('');
  const bytes = Buffer.from(key, 'base64');
  const crossed = JSON.stringify({
    payload: bytes.subarray(64).toString('utf8'),
    signature: bytes.subarray(0, 64).toString('base64'),
  });
  equal(
    codeOf(() => readQuestion(crossed, NOW_MS)),
    'QUESTION_MALFORMED',
  );
});

test('the appliance’s key is made once, 0600, and never replaced by itself', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-key-'));
  try {
    const file = join(folder, 'updates', 'appliance.pem');
    const key = await openApplianceKey(file);
    equal((await stat(file)).mode & 0o777, 0o600);
    equal(applianceIdOf(await openApplianceKey(file)), applianceIdOf(key));
    equal(applianceIdOf(readPublicKey(publicKeyText(key))), applianceIdOf(key));
    throws(() => readPublicKey('nonsense'), { code: 'APPLIANCE_KEY_INVALID' });
    await writeFile(file, 'spoiled');
    await rejects(openApplianceKey(file), { code: 'APPLIANCE_KEY_UNREADABLE' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
