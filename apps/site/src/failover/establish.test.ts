import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { EstablishPreview } from '@bascule/protocol/api/failover.ts';
import { ADMINISTRATOR, PRE_SHARED, TestSide, type TestSideOptions } from './pair-testing.ts';
import { generatePreSharedKey } from './pre-shared-key.ts';

async function openSides(t: TestContext, one: TestSideOptions = {}, other: TestSideOptions = {}) {
  const defaults = { preSharedKey: PRE_SHARED };
  const primary = await TestSide.open({ name: 'north', ...defaults, ...one });
  const backup = await TestSide.open({ name: 'south', ...defaults, ...other });
  t.after(() => Promise.all([primary.close(), backup.close()]));
  const request = {
    primary: primary.endpoint,
    backup: backup.endpoint,
    withCertificate: true,
    mode: 'async' as const,
  };
  return { primary, backup, request };
}

const found = ({ checks }: EstablishPreview) =>
  Object.fromEntries(checks.filter(({ outcome }) => outcome !== 'green').map(({ code, outcome }) => [code, outcome]));

test('two strangers with the same pre-shared key become a pair; every key goes over, and never the pair key', async (t) => {
  const { primary, backup, request } = await openSides(t);
  const preview = await primary.establishing.preview(request);
  assert.deepEqual(found(preview), {});
  assert.equal(preview.checks.length, 14);
  assert.deepEqual(preview.peer, { name: 'south', version: '0.3.0', keySha256: backup.key.sha256 });
  assert.deepEqual(preview.replaced, { users: 3, jumpItems: 20, sessions: 100, recordingBytes: 9_000_000 });
  assert.ok(preview.firstCopy.seconds !== null && preview.firstCopy.seconds >= 1);
  assert.deepEqual(
    [primary.establishing.unfinished(), backup.establishing.unfinished()],
    [null, null],
    'looking changes nothing',
  );
  const [ownKey, ownWrap] = ['pair.key', 'pair-wrap.key'].map((name) => readFileSync(join(backup.keysDir, name)));

  const peer = await primary.establishing.establish(ADMINISTRATOR, request);
  assert.deepEqual(peer, { name: 'south', keySha256: backup.key.sha256, endpoint: backup.endpoint, version: '0.3.0' });
  assert.equal(primary.committed?.own.port, primary.port);
  assert.equal(backup.adopted?.established.peer.keySha256, primary.key.sha256);
  assert.equal(backup.adopted.established.by, 'ada');
  for (const name of ['identity.key', 'identity.crt', 'site.key'])
    assert.deepEqual(readFileSync(join(backup.keysDir, name)), readFileSync(join(primary.keysDir, name)), name);
  assert.deepEqual(readFileSync(join(backup.keysDir, 'pair.key')), ownKey);
  assert.deepEqual(readFileSync(join(backup.keysDir, 'pair-wrap.key')), ownWrap);
  assert.equal(backup.certificateTaken?.keyPem, 'its key');
  assert.equal((await backup.dial.request('GET', '/state')).status, 200);
  assert.equal((await primary.dial.request('GET', '/state')).status, 200);
  assert.ok(primary.audit().includes('PAIR_ESTABLISHING') && primary.audit().includes('PAIR_ESTABLISHED_THERE'));
  assert.ok(backup.audit().includes('PAIR_KEYS_RECEIVED') && backup.audit().includes('PAIR_ADOPTING'));
  assert.equal(backup.store.get<{ kept: number }>('SELECT count(keys) AS kept FROM pair_establishing')?.kept, 0);

  assert.deepEqual(found(await primary.establishing.preview(request)), { 'already-paired': 'red' });
  await assert.rejects(primary.establishing.establish(ADMINISTRATOR, request), { code: 'FAILOVER_CHECKS_FAILED' });
});

test('what a person may have got wrong is said, and nothing is changed', async (t) => {
  const { primary, backup, request } = await openSides(
    t,
    { sharedName: 'bascule.example' },
    { certificateNames: ['south.example'], freeBytes: 1_000, version: '0.2.0', now: () => Date.now() + 3_700_000 },
  );
  const look = async (change: Partial<typeof request>) => found(await primary.establishing.preview({ ...request, ...change }));
  const always = { packages: 'amber', clock: 'red', 'free-space': 'red', 'certificate-name': 'red' };
  assert.deepEqual(await look({ withCertificate: false }), always);
  const closed = { host: '127.0.0.1', port: 1 };
  const reasonAt = async (endpoint: typeof closed) => {
    const { checks } = await primary.establishing.preview({ ...request, backup: endpoint });
    const { outcome, params } = checks.find(({ code }) => code === 'peer-answers') ?? assert.fail();
    return [outcome, params];
  };
  assert.deepEqual(await reasonAt(closed), ['red', { ...closed, why: 'refused' }]);
  const unknown = { host: 'no-such-name.invalid', port: 443 };
  assert.deepEqual(await reasonAt(unknown), ['red', { ...unknown, why: 'name' }]);
  assert.deepEqual(await look({ backup: closed }), { 'peer-answers': 'red' });
  assert.deepEqual(await look({ backup: primary.endpoint }), { 'not-itself': 'red' });
  assert.deepEqual(await look({ primary: closed }), { ...always, 'reverse-connection': 'red' });
  assert.deepEqual(
    await look({ primary: backup.endpoint }),
    { ...always, 'reverse-connection': 'red' },
    'the backup reaches itself',
  );
  const shared = { host: 'Bascule.Example.', port: 8443 };
  assert.deepEqual(await look({ primary: shared }), { ...always, 'reverse-connection': 'red', 'shared-name': 'red' });
  await assert.rejects(primary.establishing.establish(ADMINISTRATOR, request), { code: 'FAILOVER_CHECKS_FAILED' });
  assert.deepEqual([backup.adopted, primary.committed, backup.establishing.unfinished()], [undefined, undefined, null]);
});

test('a certificate that is not good for the shared name warns in red and does not refuse', async (t) => {
  const { primary, backup, request } = await openSides(t, {}, { certificateNames: ['*.example.com'] });
  const change = { ...request, withCertificate: false };
  const { checks } = await primary.establishing.preview(change);
  const [warning] = checks.filter(({ outcome }) => outcome === 'red');
  assert.deepEqual([warning?.code, warning?.blocks], ['certificate-name', false]);
  await primary.establishing.establish(ADMINISTRATOR, change);
  assert.equal(backup.certificateTaken, undefined);
});

test('keys that differ, or are not set', async (t) => {
  const { primary, request } = await openSides(t, {}, { preSharedKey: 'some other key between them' });
  assert.deepEqual(found(await primary.establishing.preview(request)), { key: 'red' });
  const unset = await TestSide.open();
  t.after(() => unset.close());
  const { checks } = await unset.establishing.preview({ ...request, primary: unset.endpoint });
  const [line] = checks.filter(({ outcome }) => outcome === 'red');
  assert.deepEqual([line?.code, line?.params], ['key', { where: 'here' }]);
});

test('cancelling leaves both as they were; two at a time are refused', async (t) => {
  let arrive: () => void = () => undefined;
  let goOn: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const wait = new Promise<void>((resolve) => (goOn = resolve));
  const onStep = (step: string) => {
    if (step !== 'prepare-received') return;
    arrive();
    return wait;
  };
  const { primary, backup, request } = await openSides(t, {}, { onStep });
  const establishing = primary.establishing.establish(ADMINISTRATOR, request);
  const refused = assert.rejects(establishing, { code: 'FAILOVER_ESTABLISH_CANCELLED' });
  await arrived;
  await assert.rejects(primary.establishing.establish(ADMINISTRATOR, request), { code: 'FAILOVER_ESTABLISH_BUSY' });
  assert.equal(primary.establishing.cancel(), true);
  goOn();
  await refused;
  assert.equal(primary.establishing.cancel(), false);
  assert.deepEqual([primary.committed, backup.adopted, primary.establishing.unfinished()], [undefined, undefined, null]);
  await primary.establishing.establish(ADMINISTRATOR, request);
  assert.equal(backup.adopted?.times, 1);
});

test('a backup that was told nothing more asks, and gives up what was never decided', async (t) => {
  let nowMs = Date.now();
  const { primary, backup, request } = await openSides(
    t,
    { onStep: (step) => (step === 'prepare-answered' ? new Promise(() => undefined) : undefined) },
    { now: () => nowMs },
  );
  void primary.establishing.establish(ADMINISTRATOR, request).catch(() => undefined);
  while (backup.establishing.unfinished() === null) await new Promise((resolve) => setTimeout(resolve, 5));
  await backup.establishing.settle();
  nowMs += 60_000;
  await backup.establishing.settle();
  assert.equal(backup.establishing.unfinished()?.phase, 'prepared', 'the primary is still at it');
  primary.store.transact(ADMINISTRATOR, { code: 'TEST_LOST', summary: 'lost', details: {} }, (tx) =>
    tx.run('DELETE FROM pair_establishing'),
  );
  await backup.establishing.settle();
  assert.equal(backup.establishing.unfinished(), null);
});

test('the pre-shared key: only its check value is shown, the same on both; kept over a restart; too short is refused', async (t) => {
  const { primary, backup } = await openSides(t, {}, { preSharedKey: '  correct horse battery staple' });
  const [one, other] = [primary.preSharedKey.state(), backup.preSharedKey.state()];
  assert.match(one.checkValue ?? '', /^[0-9a-f]{8}$/);
  assert.equal(one.checkValue, other.checkValue);
  await assert.rejects(primary.preSharedKey.set(ADMINISTRATOR, 'short'), { code: 'FAILOVER_PRE_SHARED_KEY_SHORT' });
  const text = JSON.stringify(primary.store.all('SELECT * FROM pair_secret')) + primary.audit().join(' ');
  assert.ok(!text.includes(PRE_SHARED));
  assert.match(generatePreSharedKey(), /^([0-9A-Z]{5}-){7}[0-9A-Z]{5}$/);
  assert.notEqual(generatePreSharedKey(), generatePreSharedKey());
  await backup.stop();
  const again = await TestSide.open({ directory: backup.directory });
  assert.equal(again.preSharedKey.isSet, true);
  assert.deepEqual(again.preSharedKey.hmac(Buffer.of(1)), primary.preSharedKey.hmac(Buffer.of(1)));
  await again.close();
  Object.defineProperty(backup, 'close', { value: () => Promise.resolve() });
});
