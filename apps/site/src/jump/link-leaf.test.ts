import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mock, test } from 'node:test';
import { ScriptedLink, enrolledClient } from '@bascule/client/testing.ts';
import { LEAF_CHECK_INTERVAL_MS } from './link-leaf.ts';
import { TestSite } from './testing.ts';

const DAY_MS = 24 * 60 * 60_000;
const A = 'a'.repeat(32);
const B = 'b'.repeat(32);

interface TlsSide {
  _socket: { getPeerX509Certificate(): X509Certificate; isSessionReused(): boolean };
}
const tlsOf = (link: ScriptedLink) => (link.webSocket as unknown as TlsSide)._socket;

test('the leaf of the links is renewed while the site runs; links that stand stay, new ones get the new leaf', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  // The client's clock is the real one, so the leaf is made in the past.
  let nowMs = Date.now() - 250 * DAY_MS;
  const site = await TestSite.open({ now: () => nowMs });
  try {
    let renewals = 0;
    const { promise: renewed, resolve } = Promise.withResolvers<void>();
    site.jump.onLinkTlsChanged(() => {
      renewals += 1;
      resolve();
    });
    const client = await enrolledClient(site.target, site.token());
    const standing = await ScriptedLink.hello(site.target, client, A);
    await standing.next('accepted');
    const first = site.jump.linkTls.certificate;
    assert.equal(tlsOf(standing).getPeerX509Certificate().serialNumber, new X509Certificate(first).serialNumber);

    nowMs += 240 * DAY_MS;
    mock.timers.tick(LEAF_CHECK_INTERVAL_MS);
    await new Promise((done) => setImmediate(done));
    assert.deepEqual([renewals, site.jump.linkTls.certificate], [0, first], 'more than a third is left');

    nowMs += 10 * DAY_MS;
    mock.timers.tick(LEAF_CHECK_INTERVAL_MS);
    await renewed;
    const second = new X509Certificate(site.jump.linkTls.certificate);
    assert.notEqual(second.serialNumber, new X509Certificate(first).serialNumber);
    assert.ok(second.validToDate.getTime() > nowMs + 364 * DAY_MS);

    let session: Buffer | undefined;
    const tls = { authority: client.identity.authority, certificate: client.identity.certificate, key: client.home.keyPem };
    const other = await enrolledClient(site.target, site.token());
    const later = await ScriptedLink.hello(site.target, other, B);
    await later.next('accepted');
    assert.equal(tlsOf(later).getPeerX509Certificate().serialNumber, second.serialNumber);
    const keeps = await ScriptedLink.open(site.target, { ...tls, onSession: (made) => (session = made) });
    while (session === undefined) await new Promise((done) => setImmediate(done));
    const resumed = await ScriptedLink.open(site.target, { ...tls, session });
    assert.ok(tlsOf(resumed).isSessionReused());
    keeps.webSocket.terminate();
    resumed.webSocket.terminate();
  } finally {
    mock.timers.reset();
    await site.close();
  }
});
