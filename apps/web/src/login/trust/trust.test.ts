import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { readCertificate } from './read-certificate.ts';
import { changeOf, FIRST_CHANGE, grouped, worstFirst } from './trust-model.ts';

/** Made by openssl for these tests; nobody has their keys. The first one ends in 2126, the second has no alternative names. */
const NEW = `-----BEGIN CERTIFICATE-----
MIIB2zCCAYCgAwIBAgIUDQN5/rsejvf6UdqbpA7Pj7WsLy4wCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTaWdub3JlZC5leGFtcGxlLm9yZzAgFw0yNjExMjExMTMwMTJa
GA8yMTI2MTAyODExMzAxMlowHjEcMBoGA1UEAwwTaWdub3JlZC5leGFtcGxlLm9y
ZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJHdGeX9x60LqWeDvopTXMOBj2Zc
Kj0BDcW7bNs0k54CE5AmBQJXxdejCSF8TDYQtGJOS41jxLd9H6sJ4tbAwzejgZkw
gZYwHQYDVR0OBBYEFHeOLnz/3wm+pUJdxrFh1iGZpDlnMB8GA1UdIwQYMBaAFHeO
Lnz/3wm+pUJdxrFh1iGZpDlnMA8GA1UdEwEB/wQFMAMBAf8wQwYDVR0RBDwwOoIR
QWxwaGEuZXhhbXBsZS5vcmeCDSouZXhhbXBsZS5uZXSHBMAAAgeHECABDbgAAAAA
AAAAAAAAAAEwCgYIKoZIzj0EAwIDSQAwRgIhALKMSPXSxV8fmGtoUuHZhmF/Lk8o
YaM780hHOPEIXXtmAiEAwY339477mzbBePqDXco9lVYaHgGu8ubIZGwXWw5goE0=
-----END CERTIFICATE-----`;
const OLD = `-----BEGIN CERTIFICATE-----
MIIBrTCCAVOgAwIBAgIUEQXHvwoOEYOWAkWV/6OjsCdadDkwCgYIKoZIzj0EAwIw
LDEQMA4GA1UECgwHRXhhbXBsZTEYMBYGA1UEAwwPT2xkLmV4YW1wbGUub3JnMB4X
DTI2MTEyMTExMzAxMloXDTI2MTIyMTExMzAxMlowLDEQMA4GA1UECgwHRXhhbXBs
ZTEYMBYGA1UEAwwPT2xkLmV4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEjxnGzlo7dCf+AhRzEb84JBA+YboSW5bqDP+PnJOrXb6JnUwiE6LHBFJT
rHzkYG1shZckpcpLuW0cQjmv3FxnHaNTMFEwHQYDVR0OBBYEFFgKnv4C8t/Irmsb
kRIWpS/bcQBEMB8GA1UdIwQYMBaAFFgKnv4C8t/IrmsbkRIWpS/bcQBEMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgJvNN4mcjhnALr2Bb18aZIeuy
a5iEM3qv25RmJemyFyYCIQDS5zY0FKikgSUPdIc1Lhw0AKHq3GqdrAHoehLNkpEq
KA==
-----END CERTIFICATE-----`;

test('a certificate is read as another reader reads it: names, addresses, key, end', async () => {
  const expected = new X509Certificate(NEW);
  const spki = expected.publicKey.export({ type: 'spki', format: 'der' });
  assert.deepEqual(await readCertificate(`some text\n${NEW}`), {
    names: ['alpha.example.org', '*.example.net', '192.0.2.7', '2001:db8::1'],
    keySha256: createHash('sha256').update(spki).digest('hex'),
    expiresAtMs: Date.parse(expected.validTo),
    isSelfSigned: true,
  });
  const old = await readCertificate(OLD);
  assert.deepEqual(old?.names, ['old.example.org']);
  assert.equal(old?.expiresAtMs, Date.parse(new X509Certificate(OLD).validTo));
});

test('what is no certificate, or half of one, is not read', async () => {
  const half = `${NEW.slice(0, 300)}\n-----END CERTIFICATE-----`;
  for (const broken of ['', 'hello', half, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])
    assert.equal(await readCertificate(broken), undefined);
});

test('a change is sent only when it is whole; a self-signed certificate is never publicly trusted', () => {
  const certificate = { names: ['a.example'], keySha256: 'ab'.repeat(32), expiresAtMs: 1, isSelfSigned: true };
  assert.equal(changeOf(FIRST_CHANGE), undefined);
  assert.deepEqual(changeOf({ ...FIRST_CHANGE, certificate }), {
    kind: 'certificate',
    names: ['a.example'],
    keySha256: 'ab'.repeat(32),
    expiresAtMs: 1,
    isPubliclyTrusted: false,
  });
  const moved = { ...FIRST_CHANGE, kind: 'host-name', host: ' New.Example.org ' } as const;
  assert.deepEqual(changeOf(moved), { kind: 'host-name', host: 'new.example.org', port: 443, keepsOldName: false });
  assert.equal(changeOf({ ...moved, host: ' ' }), undefined);
  assert.equal(changeOf({ ...moved, port: Number.NaN }), undefined);
  assert.deepEqual(changeOf({ ...FIRST_CHANGE, kind: 'identity' }), { kind: 'identity' });
  assert.equal(changeOf({ ...FIRST_CHANGE, kind: 'package', version: 'new' }), undefined);
  assert.deepEqual(changeOf({ ...FIRST_CHANGE, kind: 'package', version: '1.2.3' }), { kind: 'package', version: '1.2.3' });
});

test('the worst comes first, numbers in names count as numbers', () => {
  const row = (name: string, severity: 'lost' | 'trouble') =>
    ({ what: 'jump-client', id: name, name, severity, code: 'disk-full', detail: '', lastSeenAtMs: null }) as const;
  const list = [row('web-1', 'trouble'), row('web-10', 'lost'), row('web-9', 'lost')];
  assert.deepEqual(
    worstFirst(list).map(({ name }) => name),
    ['web-9', 'web-10', 'web-1'],
  );
  assert.equal(grouped('9f2c4e7a11'), '9f2c 4e7a 11');
});
