import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readDownloadKey } from '@bascule/package-format/download-key.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import { redeem, RUNTIME, SITE_BYTES, UpdatesFixture } from '../../test/updates-fixture.ts';

const EVE: Context = { actor: { kind: 'box-administrator', id: 'box_1', name: 'eve' }, address: '192.0.2.1' };
const signal = new AbortController().signal;
const DAY_MS = 24 * 60 * 60_000;

function auditOf({ store }: UpdatesFixture): string[] {
  return store.all<{ code: string }>('SELECT code FROM audit_event ORDER BY sequence').map(({ code }) => code);
}

async function trusting(fixture: UpdatesFixture): Promise<void> {
  fixture.updates.changeSettings(EVE, { ...fixture.updates.settings(), serverUrl: fixture.url });
  await fixture.updates.confirmTrust(EVE, (await fixture.updates.foundTrust()).rootSha256);
}

describe('trust', () => {
  let fixture: UpdatesFixture;
  before(async () => (fixture = await UpdatesFixture.open()));
  after(() => fixture[Symbol.asyncDispose]());

  it('needs a server, and then somebody who confirms its root', async () => {
    const { updates } = fixture;
    await assert.rejects(updates.check(EVE), { code: 'UPDATES_NO_SERVER' });
    await assert.rejects(updates.foundTrust(), { code: 'UPDATES_NO_ROOT' });
    assert.deepEqual(updates.state().settings.unattended.isOn, false);
    updates.changeSettings(EVE, { ...updates.settings(), serverUrl: fixture.url });
    await assert.rejects(updates.check(EVE), { code: 'UPDATES_NOT_TRUSTED' });
    const found = await updates.foundTrust();
    assert.deepEqual([found.rootVersion, found.threshold, found.keys.length], [1, 2, 3]);
    await assert.rejects(updates.confirmTrust(EVE, 'f'.repeat(64)), { code: 'UPDATES_ROOT_DIFFERS' });
    assert.equal(updates.state().trust, null);
    await updates.confirmTrust(EVE, found.rootSha256);
    assert.deepEqual([updates.state().trust?.rootSha256, updates.state().trust?.confirmedBy], [found.rootSha256, 'eve']);
    await assert.rejects(updates.confirmTrust(EVE, found.rootSha256), { code: 'UPDATES_TRUST_CONFIRMED' });
    assert.deepEqual(auditOf(fixture), ['UPDATE_SETTINGS_CHANGED', 'UPDATE_TRUST_CONFIRMED']);
  });
});

describe('looking for updates', () => {
  let fixture: UpdatesFixture;
  before(async () => {
    fixture = await UpdatesFixture.open();
    await trusting(fixture);
  });
  after(() => fixture[Symbol.asyncDispose]());

  it('offers everything of a plain mirror, with sizes and the path', async () => {
    const { updates, base, site } = fixture;
    await updates.check(EVE);
    const { offers, path, lastCheck } = updates.state();
    assert.deepEqual(
      offers.map(({ target, state }) => [target, state]),
      [
        [base, 'installable'],
        [site, 'blocked'],
        ['site/bascule-site-0.1.0.tar.zst', 'installed'],
      ],
    );
    assert.deepEqual(
      path.map(({ action, target }) => [action, target]),
      [
        ['install', base],
        ['back-up', site],
        ['install', site],
      ],
    );
    assert.equal(offers[1]?.downloadBytes, SITE_BYTES.length + 'runtime archive'.length);
    assert.deepEqual([lastCheck?.error, lastCheck?.source], [null, 'server']);
    assert.equal('eula' in (offers[0]?.manifest ?? {}), false);
  });

  it('heeds what the server says about this appliance, and asks with its key', async () => {
    const { updates, base, site, server, nowMs } = fixture;
    server.answer = { maintainedUntilMs: nowMs + DAY_MS, offers: [{ target: base, fromMs: nowMs + DAY_MS }] };
    await updates.check(EVE);
    assert.deepEqual(server.questions, [
      { kind: 'offers', applianceName: 'appliance.example.net', installed: { base: '0.1.0', site: '0.1.0', runtimes: [] } },
    ]);
    assert.deepEqual(
      updates.offers().map(({ blockedBy }) => blockedBy.map(({ reason, atMs }) => [reason, atMs])),
      [
        [['not-yet-offered', nowMs + DAY_MS]],
        [
          ['not-yet-offered', null],
          ['requires', null],
        ],
        [],
      ],
    );
    assert.equal(updates.state().lastCheck?.maintainedUntilMs, nowMs + DAY_MS);
    server.answer = { maintainedUntilMs: null, offers: [base, site].map((target) => ({ target, fromMs: 0 })) };
    await updates.check(EVE);
    assert.equal(updates.offer(base).state, 'installable');
  });

  it('keeps what it knew when the server refuses, and says why', async () => {
    const { updates, base, server } = fixture;
    server.answer = { status: 403, message: 'This appliance is not registered.' };
    await assert.rejects(updates.check(EVE), { code: 'UPDATE_SERVER_REFUSED', message: /not registered\..*Download Key/ });
    assert.equal(updates.offer(base).state, 'installable');
    assert.equal(updates.state().lastCheck?.error?.code, 'UPDATE_SERVER_REFUSED');
    server.answer = undefined;
  });

  it('one look at a time', async () => {
    const { updates } = fixture;
    const first = updates.check(EVE);
    assert.equal(updates.state().isChecking, true);
    assert.equal(updates.check(SYSTEM), first);
    await first;
    assert.equal(updates.state().isChecking, false);
  });

  it('brings packages, goes on where a download ended, and keeps them offered although the server takes them back (unlike B75)', async () => {
    const { updates, site, server } = fixture;
    const cut = new AbortController();
    const obtaining = updates.shelf.obtain(site, { signal: cut.signal, onProgress: () => cut.abort() });
    await assert.rejects(obtaining);
    const file = await updates.shelf.obtain(site, { signal, onProgress: () => undefined });
    assert.deepEqual(readFileSync(file), SITE_BYTES);
    server.answer = { maintainedUntilMs: null, offers: [] };
    await updates.check(EVE);
    const offer = updates.offer(site);
    assert.deepEqual(
      offer.blockedBy.map(({ reason }) => reason),
      ['requires'],
    );
    assert.equal(offer.downloadedBytes, SITE_BYTES.length);
    assert.ok((offer.downloadedAtMs ?? 0) > 0);
    const before = server.requests.length;
    await updates.shelf.obtain(site, { signal, onProgress: () => undefined });
    assert.equal(server.requests.length, before);
  });

  it('knows all that after a restart, and what is here without any server', async () => {
    await fixture.stop();
    await fixture.start();
    const { updates, site, base } = fixture;
    updates.changeSettings(EVE, { ...updates.settings(), serverUrl: '' });
    assert.equal(updates.state().trust?.confirmedBy, 'eve');
    await updates.shelf.obtain(site, { signal, onProgress: () => undefined });
    await assert.rejects(updates.shelf.obtain(base, { signal, onProgress: () => undefined }), { code: 'UPDATES_NO_SOURCE' });
    updates.changeSettings(EVE, { ...updates.settings(), serverUrl: fixture.url });
  });

  it('names the clock when it is behind, and the manual way when nobody answers', async () => {
    const { updates, server } = fixture;
    await server.close();
    fixture.systemMs = fixture.nowMs - 3 * 60 * 60_000;
    await assert.rejects(updates.check(EVE), { code: 'UPDATE_SERVER_UNREACHABLE' });
    const error = updates.state().lastCheck?.error;
    assert.match(error?.advice ?? '', /clock is 3 h behind.*Download Key/);
    fixture.systemMs = undefined;
  });
});

describe('a server that does not know this appliance', () => {
  it('offers nothing but what came in a file or is installed, until it answers; a plain mirror offers everything', async () => {
    await using fixture = await UpdatesFixture.open();
    await trusting(fixture);
    const { updates, base, site, server } = fixture;
    const reasons = (): unknown[] => updates.offers().map(({ state, blockedBy }) => [state, blockedBy[0]?.reason]);
    const withheld = [
      ['blocked', 'not-yet-offered'],
      ['blocked', 'not-yet-offered'],
      ['installed', undefined],
    ];
    server.answer = { status: 401, message: 'Unknown' };
    for (const _look of [1, 2]) {
      await assert.rejects(updates.check(EVE), { code: 'UPDATE_SERVER_REFUSED' });
      assert.deepEqual(reasons(), withheld);
    }
    server.answer = undefined;
    await updates.check(EVE);
    assert.deepEqual(reasons()[0], ['installable', undefined]);
    server.answer = { status: 401, message: 'Unknown' };
    await assert.rejects(updates.check(EVE));
    assert.deepEqual(reasons(), withheld, 'what a mirror gave to everybody was not allowed by an answer');
    await updates.imports.importFile(EVE, await redeem(fixture, updates.makeDownloadKey(EVE).text));
    assert.deepEqual(
      [updates.offer(base).state, updates.offer(site).blockedBy.map(({ reason }) => reason)],
      ['installable', ['requires']],
    );
  });
});

describe('packages on the disk', () => {
  it('go when they are installed; what is still to come stays', async () => {
    await using fixture = await UpdatesFixture.open();
    await trusting(fixture);
    const { updates, base, site } = fixture;
    await updates.check(EVE);
    for (const target of [base, site]) await updates.shelf.obtain(target, { signal, onProgress: () => undefined });
    await updates.imports.tidy();
    assert.ok((updates.offer(base).downloadedAtMs ?? 0) > 0);
    fixture.installed = {
      packages: [
        { kind: 'base', version: '0.2.0' },
        { kind: 'site', version: '0.1.0' },
      ],
      runtimes: [RUNTIME],
    };
    updates.changed();
    await updates.imports.tidy();
    updates.changed();
    assert.deepEqual(
      [base, site].map((target) => [updates.offer(target).state, updates.offer(target).downloadedAtMs !== null]),
      [
        ['installed', false],
        ['installable', true],
      ],
    );
  });
});

describe('licence agreements (B62)', () => {
  it('are accepted by name, once for a text, and as shown', async () => {
    await using fixture = await UpdatesFixture.open();
    await trusting(fixture);
    const { updates, site } = fixture;
    await updates.check(EVE);
    const { sha256, text } = updates.eula(site);
    assert.equal(text, 'Be kind.');
    assert.throws(() => updates.assertEulaAccepted(site), { code: 'EULA_NOT_ACCEPTED' });
    assert.throws(() => updates.acceptEula(EVE, { target: site, sha256: 'f'.repeat(64), name: 'Eve' }), { code: 'EULA_CHANGED' });
    updates.acceptEula(EVE, { target: site, sha256, name: 'Eve Example' });
    updates.acceptEula(EVE, { target: site, sha256, name: 'Somebody else' });
    updates.assertEulaAccepted(site);
    assert.equal(updates.offer(site).eulaAccepted?.by, 'Eve Example');
    assert.throws(() => updates.eula('site/none.tar.zst'), { code: 'NOT_FOUND' });
  });
});

describe('download keys (B70, B71)', () => {
  it('say who asks and what is here, and are shown until they end', async () => {
    await using fixture = await UpdatesFixture.open();
    const { updates, directory } = fixture;
    fixture.installed = { ...fixture.installed, runtimes: [RUNTIME] };
    const { text, expiresAtMs } = updates.makeDownloadKey(EVE);
    const key = readDownloadKey(text, fixture.nowMs);
    assert.equal(key.publicKey, updates.state().publicKey);
    assert.deepEqual(key.installed, { base: '0.1.0', site: '0.1.0', runtimes: [RUNTIME] });
    assert.equal(expiresAtMs, fixture.nowMs + 24 * 60_000);
    assert.deepEqual(updates.state().downloadKey, { expiresAtMs });
    assert.equal(statSync(join(directory, 'updates', 'appliance.key')).mode & 0o777, 0o600);
    fixture.nowMs += 24 * 60_000;
    assert.equal(updates.state().downloadKey, null);
    assert.throws(() => readDownloadKey(text, fixture.nowMs), { code: 'DOWNLOAD_KEY_EXPIRED' });
    assert.ok(!JSON.stringify(fixture.store.all('SELECT * FROM audit_event')).includes('PRIVATE'));
  });
});
