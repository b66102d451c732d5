import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fingerprintOf } from '../../../apps/site/src/jump/site-identity-certificates.ts';
import { SiteIdentity } from '../../../apps/site/src/jump/site-identity.ts';
import { followAuthority, isOnlyDates } from './site-authority.ts';

const DAY_MS = 24 * 60 * 60_000;
const directory = mkdtempSync(join(tmpdir(), 'bascule-identity-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let made = 0;
const newKeysDir = () => join(directory, `keys-${(made += 1)}`);
const blocks = (pem: string) => pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
const certificates = (pem: string) => blocks(pem).map((block) => new X509Certificate(block));

test('a client follows one rotation, and two that passed while it was away; it never goes back', async () => {
  const site = await SiteIdentity.open({ keysDir: newKeysDir() });
  const first = site.certificatePem;
  await site.rotate();
  const second = site.certificatePem;
  await site.rotate();
  const third = site.certificatePem;
  const offered = site.authorityFor(fingerprintOf(first))!;
  assert.equal(followAuthority(first, offered), third);
  assert.equal(followAuthority(second, site.authorityFor(fingerprintOf(second))!), third);
  assert.equal(site.authorityFor(site.fingerprintSha256), undefined);
  assert.equal(followAuthority(third, offered), undefined, 'it is there already');
  assert.equal(followAuthority(third, first + second), undefined, 'an older authority is replayed');
  assert.equal(followAuthority(second, first), undefined);
  assert.equal(followAuthority(first, blocks(offered).slice(0, 2).join('')), undefined, 'a link is missing');
});

test("a stranger's authority is never followed, whatever it is signed with", async () => {
  const site = await SiteIdentity.open({ keysDir: newKeysDir() });
  const stranger = await SiteIdentity.open({ keysDir: newKeysDir() });
  const ours = site.certificatePem;
  const theirs = stranger.certificatePem;
  await stranger.rotate();
  await site.rotate();
  const [, cross = ''] = blocks(site.authorityFor(fingerprintOf(ours))!);
  for (const forged of [
    theirs,
    stranger.certificatePem,
    // Its own cross-signature: a successor of itself, not of ours; the names are the same.
    stranger.authorityFor(fingerprintOf(theirs))!,
    // Our cross-signature beside its key.
    stranger.certificatePem + cross,
    // A client's certificate is no authority.
    (await site.issueClientCertificate('jcl_1', new X509Certificate(theirs).publicKey.export({ type: 'spki', format: 'der' }))) +
      cross,
    '',
    'nonsense',
  ])
    assert.equal(followAuthority(ours, forged), undefined);
});

test('the certificate of an authority of 0.1.0 is issued anew for the same key; who trusts it follows, tokens that pin it hold', async () => {
  const keysDir = newKeysDir();
  cpSync(join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures', 'identity-0.1.0'), keysDir, { recursive: true });
  const legacy = readFileSync(join(keysDir, 'identity.crt'), 'utf8');
  const site = await SiteIdentity.open({ keysDir });
  assert.notEqual(site.certificatePem, legacy);
  assert.ok(new X509Certificate(site.certificatePem).publicKey.equals(new X509Certificate(legacy).publicKey));
  assert.equal(followAuthority(legacy, site.authorityFor(fingerprintOf(legacy))!), site.certificatePem);
  assert.ok(site.isPinned(fingerprintOf(legacy)) && site.isFollowedFrom(fingerprintOf(legacy)));
  assert.ok(
    !site.isFollowedFrom(fingerprintOf(legacy), true),
    'nothing may stand below it: a rotation would lose who has only that',
  );
  assert.equal((await SiteIdentity.open({ keysDir })).certificatePem, site.certificatePem, 'once');
  await site.rotate();
  assert.ok(!site.isPinned(fingerprintOf(legacy)));
});

test('a rotation that is cut anywhere is finished, or was none; the former key is gone', async () => {
  const keysDir = newKeysDir();
  const site = await SiteIdentity.open({ keysDir });
  const before = newKeysDir();
  cpSync(keysDir, before, { recursive: true });
  const decided = newKeysDir();
  await site.rotate(() => cpSync(keysDir, decided, { recursive: true }));
  const formerKey = readFileSync(join(before, 'identity.key'), 'utf8');
  for (const done of [
    [],
    ['identity-history.json'],
    ['identity-history.json', 'identity.crt'],
    ['identity-history.json', 'identity.crt', 'identity.key'],
  ]) {
    const cut = newKeysDir();
    cpSync(decided, cut, { recursive: true });
    for (const file of done) cpSync(join(keysDir, file), join(cut, file));
    const reopened = await SiteIdentity.open({ keysDir: cut });
    assert.equal(reopened.fingerprintSha256, site.fingerprintSha256, `cut after ${done.length} steps`);
    assert.equal(reopened.former.length, 1);
    assert.notEqual(readFileSync(join(cut, 'identity.key'), 'utf8'), formerKey);
    assert.ok(!existsSync(join(cut, 'identity-next.json')));
  }
  const failing = await SiteIdentity.open({ keysDir: before });
  const { fingerprintSha256 } = failing;
  await assert.rejects(
    failing.rotate(() => {
      throw new Error('disk full');
    }),
    /disk full/,
  );
  assert.equal((await SiteIdentity.open({ keysDir: before })).fingerprintSha256, fingerprintSha256);
});

test('dates are all that may be wrong: not begun is always forgiven, ended when the policy says so', async () => {
  const keysDir = newKeysDir();
  const site = await SiteIdentity.open({ keysDir });
  const stranger = await SiteIdentity.open({ keysDir: newKeysDir() });
  const check = { authority: site.certificatePem, serverName: 'link.bascule.internal', nowMs: Date.now() };
  const chainOf = async (identity: SiteIdentity) => certificates((await identity.issueLinkTls()).certificate);
  const chain = await chainOf(site);
  const late = { ...check, nowMs: Date.now() + 400 * DAY_MS };
  assert.ok(isOnlyDates('CERT_NOT_YET_VALID', chain, { ...check, nowMs: 0, toleratesEnded: false }));
  assert.ok(!isOnlyDates('CERT_HAS_EXPIRED', chain, { ...late, toleratesEnded: false }));
  assert.ok(isOnlyDates('CERT_HAS_EXPIRED', chain, { ...late, toleratesEnded: true }));
  const tolerant = { ...late, toleratesEnded: true };
  assert.ok(!isOnlyDates('CERT_HAS_EXPIRED', await chainOf(stranger), tolerant), 'another authority of the same name');
  assert.ok(!isOnlyDates('DEPTH_ZERO_SELF_SIGNED_CERT', chain, tolerant), 'another fault');
  assert.ok(!isOnlyDates('CERT_HAS_EXPIRED', chain, { ...tolerant, serverName: 'other.example' }));
  const key = new X509Certificate(site.certificatePem).publicKey.export({ type: 'spki', format: 'der' });
  const client = certificates(await site.issueClientCertificate('jcl_1', key));
  assert.ok(!isOnlyDates('CERT_HAS_EXPIRED', client, tolerant), "a client's certificate is no server's");
  const first = site.certificatePem;
  await site.rotate();
  await site.rotate();
  assert.ok(isOnlyDates('CERT_HAS_EXPIRED', await chainOf(site), { ...tolerant, authority: first }), 'through two rotations');
});
