import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openWebCertificate, readWebCertificate, RENEW_BEFORE_DAYS, SELF_MADE_DAYS } from './certificates.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NAMES = ['box.example', 'localhost', '127.0.0.1', '::1'];

describe('the self-made web certificate', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bascule-tls-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('is P-256, holds every name, and stays the same at the next start', async () => {
    const made = await openWebCertificate(join(directory, 'tls'), NAMES);
    const parsed = new X509Certificate(made.cert);
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.ok(
      parsed.checkHost('box.example') && parsed.checkHost('localhost') && parsed.checkIP('127.0.0.1') && parsed.checkIP('::1'),
    );
    assert.equal(parsed.ca, false);
    assert.equal((parsed.validToDate.getTime() - parsed.validFromDate.getTime()) / DAY_MS, SELF_MADE_DAYS);
    assert.equal(made.madeNow, true);
    assert.deepEqual(made.names, NAMES);
    const again = await openWebCertificate(join(directory, 'tls'), NAMES);
    assert.deepEqual(again, { ...made, madeNow: false });
    assert.equal(statSync(join(directory, 'tls')).mode & 0o777, 0o700);
    assert.equal(statSync(join(directory, 'tls', 'web.pem')).mode & 0o777, 0o600);
  });

  it('is renewed with the same key before it ends', async () => {
    const made = await openWebCertificate(directory, NAMES);
    const early = await openWebCertificate(directory, NAMES, () => made.notAfterMs - (RENEW_BEFORE_DAYS + 1) * DAY_MS);
    assert.equal(early.madeNow, false);
    const renewed = await openWebCertificate(directory, NAMES, () => made.notAfterMs - (RENEW_BEFORE_DAYS - 1) * DAY_MS);
    assert.equal(renewed.madeNow, true);
    assert.equal(renewed.keyPin, made.keyPin);
    assert.notEqual(renewed.sha256, made.sha256);
  });

  it('is read as it is, and nothing written, by who only looks', async () => {
    assert.equal(readWebCertificate(join(directory, 'none')), undefined);
    assert.equal(existsSync(join(directory, 'none')), false);
    const made = await openWebCertificate(directory, NAMES, () => Date.now() - SELF_MADE_DAYS * DAY_MS);
    assert.deepEqual(readWebCertificate(directory), { ...made, madeNow: false });
  });

  it('is made anew, with the same key, when a name is added', async () => {
    const made = await openWebCertificate(directory, NAMES);
    const more = await openWebCertificate(directory, ['other.example', ...NAMES]);
    assert.equal(more.keyPin, made.keyPin);
    assert.equal(more.issuedTo, 'other.example');
  });

  it('is made anew when its file is cut', async () => {
    const made = await openWebCertificate(directory, NAMES);
    writeFileSync(join(directory, 'web.pem'), made.key.slice(0, 50));
    assert.equal((await openWebCertificate(directory, NAMES)).madeNow, true);
  });
});
