import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mock, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { PROTOCOL_VERSIONS, type FromClient, type HeldSession } from '@bascule/protocol/control-link.ts';
import { ClientHome } from '@bascule/client/client-home.ts';
import { ScriptedLink, enrolledClient, newHomeDirectory } from '@bascule/client/testing.ts';
import { MESSAGES_PER_ROUND } from './control-links.ts';
import { SiteIdentity } from './jump.ts';
import { spkiOf } from './link.ts';
import { ADMINISTRATOR, TestSite } from './testing.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const SESSION = 'acs_01920c5e-0000-7000-8000-000000000001';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Runs with a site of its own and one enrolled client. */
async function withSite(
  run: (site: TestSite, client: Awaited<ReturnType<typeof enrolledClient>>) => Promise<void>,
  approveEach = false,
): Promise<void> {
  const site = await TestSite.open();
  try {
    await run(site, await enrolledClient(site.target, site.token({ approveEach })));
  } finally {
    await site.close();
  }
}

test('hello is answered by accepted; presence, held sessions and messages reach the listeners', () =>
  withSite(async (site, client) => {
    const id = client.identity.client;
    const links: string[] = [];
    const held: HeldSession[][] = [];
    const messages: FromClient[] = [];
    site.jump.onClientLink((clientId, connected) => links.push(`${clientId === id} ${connected}`));
    site.jump.onClientSessions((_clientId, sessions) => held.push(sessions));
    site.jump.onClientMessage((_clientId, message) => messages.push(message));
    const link = await ScriptedLink.hello(site.target, client, A, {
      sessions: [{ session: SESSION, outStart: 3, outEnd: 9, exited: false }],
    });
    const accepted = await link.next('accepted');
    assert.equal(accepted.state, 'approved');
    assert.ok(site.jump.isOnline(id));
    assert.equal(held[0]?.[0]?.outEnd, 9);
    link.send({ kind: 'ticket-request', session: SESSION });
    await until(() => messages.length === 1);
    assert.ok(site.jump.sendToClient(id, { kind: 'ticket', session: SESSION, ticket: 't' }));
    assert.equal((await link.next('ticket')).ticket, 't');
    link.webSocket.close();
    await until(() => !site.jump.isOnline(id));
    assert.deepEqual(links, ['true true', 'true false']);
    assert.equal(site.jump.sendToClient(id, { kind: 'ticket', session: SESSION, ticket: 't' }), false);
  }));

test('a waiting client is told when it is approved', () =>
  withSite(async (site, client) => {
    const link = await ScriptedLink.hello(site.target, client, A);
    assert.equal((await link.next('accepted')).state, 'waiting-for-approval');
    site.jump.approve(ADMINISTRATOR, client.identity.client);
    assert.equal((await link.next('state')).state, 'approved');
  }, true));

for (const action of ['revoke', 'delete'] as const) {
  test(`${action} cuts off at once, and the client stays out`, () =>
    withSite(async (site, client) => {
      const cuts: string[] = [];
      site.jump.onClientCut((_id, reason) => cuts.push(reason));
      const link = await ScriptedLink.hello(site.target, client, A);
      await link.next('accepted');
      site.jump[action](ADMINISTRATOR, client.identity.client);
      assert.ok(!site.jump.isOnline(client.identity.client), 'offline before the client answers');
      assert.equal((await link.next('refused')).code, 'revoked');
      await link.closed;
      assert.deepEqual(cuts, [action === 'revoke' ? 'revoked' : 'deleted']);
      const again = await ScriptedLink.hello(site.target, client, A);
      assert.equal((await again.next('refused')).code, 'revoked');
    }));
}

test('a valid certificate that the database does not know is listed to be confirmed, never refused', async () => {
  const site = await TestSite.open();
  const client = await enrolledClient(site.target, site.token());
  // The same identity with a database from before the enrolment.
  site.store.transact(ADMINISTRATOR, { code: 'TEST', summary: '', details: {} }, (tx) => tx.run('DELETE FROM jump_clients'));
  const link = await ScriptedLink.hello(site.target, client, A);
  assert.equal((await link.next('accepted')).state, 'to-be-confirmed');
  assert.equal(site.jump.item(client.identity.client)?.state, 'to-be-confirmed');
  site.jump.confirm(ADMINISTRATOR, client.identity.client);
  assert.equal((await link.next('state')).state, 'approved');
  await site.close();
});

test('a client that cannot be stored is refused as busy, and the site goes on', async (t) => {
  const site = await TestSite.open();
  const client = await enrolledClient(site.target, site.token());
  site.store.transact(ADMINISTRATOR, { code: 'TEST', summary: '', details: {} }, (tx) => tx.run('DELETE FROM jump_clients'));
  const full = t.mock.method(site.store, 'transact', () => {
    throw new Error('database or disk is full');
  });
  const refused = await ScriptedLink.hello(site.target, client, A);
  assert.equal((await refused.next('refused')).code, 'busy');
  full.mock.restore();
  const link = await ScriptedLink.hello(site.target, client, A);
  assert.equal((await link.next('accepted')).state, 'to-be-confirmed');
  await site.close();
});

test('a held link that takes over keeps the version that was agreed on with it', () =>
  withSite(async (site, client) => {
    const versions = PROTOCOL_VERSIONS as unknown as number[];
    versions.push(2);
    try {
      const older = await ScriptedLink.hello(site.target, client, A);
      await older.next('accepted');
      const newer = await ScriptedLink.hello(site.target, client, B);
      assert.equal((await newer.next('accepted')).state, 'held');
      older.webSocket.close();
      assert.equal((await newer.next('accepted')).version, 1);
    } finally {
      versions.pop();
    }
  }));

test('a foreign, expired or wrong-purpose certificate is refused and audited once', () =>
  withSite(async (site, client) => {
    const authority = site.identity.certificatePem;
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
    const foreign = await SiteIdentity.open({ keysDir: `${newHomeDirectory()}/keys` });
    const old = await SiteIdentity.open({ keysDir: `${site.directory}/keys`, now: () => Date.now() - 3 * 365 * 86_400_000 });
    const leaf = await site.identity.issueLinkTls();
    const cases = [
      { key, certificate: await foreign.issueClientCertificate(client.identity.client, spki) },
      { key, certificate: await old.issueClientCertificate(client.identity.client, spki) },
      { key: leaf.key, certificate: leaf.certificate },
    ];
    for (const tls of cases) await assert.rejects(ScriptedLink.open(site.target, { authority, ...tls }), /403|closed/);
    assert.equal(site.auditCodes().filter((code) => code === 'JUMP_LINK_REFUSED').length, 1);
  }));

test('a certificate for a known client with another key is turned away, whoever issued it: it is neither held nor renewed', () =>
  withSite(async (site, client) => {
    const forger = await ClientHome.open(newHomeDirectory());
    const spki = createPublicKey(forger.key).export({ type: 'spki', format: 'der' });
    const { client: id, authority } = client.identity;
    const forged = { home: forger, identity: { client: id, authority, certificate: '' } };
    forged.identity.certificate = await site.identity.issueClientCertificate(id, spki);
    const real = await ScriptedLink.hello(site.target, client, A);
    await real.next('accepted');
    const link = await ScriptedLink.hello(site.target, forged, B);
    const refused = await link.next('refused');
    assert.equal(refused.code, 'duplicate-identity');
    assert.equal(refused.record, undefined, 'nothing is signed for whoever this is');
    await link.closed;
    assert.equal(site.jump.counts().conflicts, 0);
    assert.ok(site.jump.isOnline(id));
    real.webSocket.close();
    await until(() => !site.jump.isOnline(id));
    assert.equal((await (await ScriptedLink.hello(site.target, forged, B)).next('refused')).code, 'duplicate-identity');
    assert.equal((await (await ScriptedLink.hello(site.target, client, A)).next('accepted')).state, 'approved');
    assert.ok(site.auditCodes().includes('JUMP_LINK_REFUSED'));
    forger.close();
  }));

test('the key of a link is encoded as OpenSSL does', () => {
  for (const { publicKey } of [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ed25519'),
  ])
    assert.deepEqual(spkiOf(publicKey), publicKey.export({ type: 'spki', format: 'der' }));
});

test('a held link changes nothing that is known of the machine that works; each side shows its own facts', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const site = await TestSite.open();
  try {
    const client = await enrolledClient(site.target, site.token());
    const id = client.identity.client;
    const factsOf = (hostName: string, user: string) => ({
      hostName,
      os: hostName,
      arch: 'x64',
      addresses: [],
      user,
      version: '1',
    });
    const older = await ScriptedLink.hello(site.target, client, A, { facts: factsOf('renamed', 'root') });
    await older.next('accepted');
    const newer = await ScriptedLink.hello(site.target, client, B, { facts: factsOf('clone', 'eve') });
    assert.equal((await newer.next('accepted')).state, 'held');
    const sides = () =>
      site.jump.conflicts().map((conflict) => [conflict.older.hostName, conflict.older.user, conflict.newer.hostName]);
    assert.deepEqual(sides(), [['renamed', 'root', 'clone']], 'before anything is written');
    mock.timers.tick(1000);
    assert.deepEqual(sides(), [['renamed', 'root', 'clone']]);
    assert.equal(site.jump.item(id)?.hostName, 'renamed');
    older.webSocket.close();
    await newer.next('accepted');
    mock.timers.tick(1000);
    assert.equal(site.jump.item(id)?.hostName, 'clone', 'once it is the one that works');
  } finally {
    mock.timers.reset();
    await site.close();
  }
});

test('two links with one identity: the newer is held until decided; the loser is cut and stays out (wire 3.5)', () =>
  withSite(async (site, client) => {
    const id = client.identity.client;
    const cuts: string[] = [];
    site.jump.onClientCut((_id, reason) => cuts.push(reason));
    const older = await ScriptedLink.hello(site.target, client, A);
    await older.next('accepted');
    const newer = await ScriptedLink.hello(site.target, client, B, {
      facts: { hostName: 'clone', os: 'x', arch: 'x64', addresses: [], user: 'eve', version: '1' },
    });
    assert.equal((await newer.next('accepted')).state, 'held');
    const [conflict] = site.jump.conflicts();
    assert.deepEqual([conflict?.clientId, conflict?.older.hostName, conflict?.newer.hostName], [id, 'web-1', 'clone']);
    site.jump.sendToClient(id, { kind: 'session-forget', session: SESSION });
    await older.next('session-forget');
    assert.deepEqual(
      newer.received.map((message) => message.kind),
      ['welcome'],
      'the held link gets no sessions',
    );
    site.jump.decideConflict(ADMINISTRATOR, id, 'newer');
    assert.equal((await older.next('refused')).code, 'duplicate-identity');
    assert.equal((await newer.next('accepted')).state, 'approved');
    assert.deepEqual(cuts, ['replaced']);
    assert.equal(site.jump.conflicts().length, 0);
    const again = await ScriptedLink.hello(site.target, client, A);
    assert.equal((await again.next('refused')).code, 'duplicate-identity');
  }));

test('a held link takes over when the older one goes; the same instance replaces at once', () =>
  withSite(async (site, client) => {
    const older = await ScriptedLink.hello(site.target, client, A);
    await older.next('accepted');
    const same = await ScriptedLink.hello(site.target, client, A);
    assert.equal((await same.next('accepted')).state, 'approved');
    await older.closed;
    assert.ok(site.jump.isOnline(client.identity.client));
    const newer = await ScriptedLink.hello(site.target, client, B);
    assert.equal((await newer.next('accepted')).state, 'held');
    same.webSocket.terminate();
    assert.equal((await newer.next('accepted')).state, 'approved');
  }));

test('malformed messages are refused, naming the field (wire 3.6)', () =>
  withSite(async (site, client) => {
    const { authority, certificate } = client.identity;
    const cases: [object | string, RegExp][] = [
      ['{', /JSON/],
      [{ kind: 'hello', versions: ['x'], instance: A, facts: {}, sessions: [] }, /versions\.0/],
      [{ kind: 'hello', versions: [1], instance: 'short', facts: {}, sessions: [] }, /instance/],
      [{ kind: 'ticket-request', session: SESSION }, /first message must be hello/],
      [{ kind: 'nonsense' }, /kind/],
    ];
    for (const [message, expected] of cases) {
      const link = await ScriptedLink.open(site.target, { authority, certificate, key: client.home.keyPem });
      link.send(message);
      const refused = await link.next('refused');
      assert.equal(refused.code, 'malformed');
      assert.match(refused.message, expected);
      await link.closed;
    }
    const anonymous = await ScriptedLink.open(site.target, { authority });
    anonymous.send({
      kind: 'hello',
      versions: [1],
      instance: A,
      facts: { hostName: '', os: '', arch: '', addresses: [], user: '', version: '' },
      sessions: [],
    });
    assert.match((await anonymous.next('refused')).message, /only enrol is allowed/);
  }));

test('a version that we do not speak is refused as such; a message beyond the limit closes the link', () =>
  withSite(async (site, client) => {
    const link = await ScriptedLink.hello(site.target, client, A, { versions: [99] });
    assert.equal((await link.next('refused')).code, 'version-unsupported');
    const large = await ScriptedLink.hello(site.target, client, A);
    await large.next('accepted');
    large.send('x'.repeat(64 * 1024 + 1));
    assert.equal(await large.closed, 1009);
  }));

test('a flood of messages is cut', () =>
  withSite(async (site, client) => {
    const link = await ScriptedLink.hello(site.target, client, A);
    await link.next('accepted');
    for (let count = 0; count <= MESSAGES_PER_ROUND; count += 1) link.send({ kind: 'session-gone', session: SESSION });
    assert.equal((await link.next('refused')).code, 'busy');
  }));

test('a link that goes silent is dropped after 90 s; one that answers pings stays (wire 3.7)', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const site = await TestSite.open();
  try {
    const token = site.token();
    const lively = await enrolledClient(site.target, token);
    const mute = await enrolledClient(site.target, token);
    const livelyLink = await ScriptedLink.hello(site.target, lively, A);
    const muteLink = await ScriptedLink.hello(site.target, mute, A);
    await Promise.all([livelyLink.next('accepted'), muteLink.next('accepted')]);
    // It reads nothing any more, so it answers no ping.
    muteLink.webSocket.pause();
    for (let second = 0; second < 125; second += 1) {
      mock.timers.tick(1000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => !site.jump.isOnline(mute.identity.client));
    assert.ok(site.jump.isOnline(lively.identity.client));
  } finally {
    mock.timers.reset();
    await site.close();
  }
});

test('a connection that says nothing is dropped after 10 s', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const site = await TestSite.open();
  try {
    const link = await ScriptedLink.open(site.target, { authority: site.identity.certificatePem });
    for (let second = 0; second < 12; second += 1) mock.timers.tick(1000);
    await link.closed;
  } finally {
    mock.timers.reset();
    await site.close();
  }
});

test('pings do not keep a connection that says nothing, nor those after it', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  const site = await TestSite.open();
  try {
    const open = () => ScriptedLink.open(site.target, { authority: site.identity.certificatePem });
    const pinging = await open();
    const silent = await open();
    for (let second = 0; second < 12 && pinging.webSocket.readyState === pinging.webSocket.OPEN; second += 1) {
      const answered = once(pinging.webSocket, 'pong');
      pinging.webSocket.ping();
      await Promise.race([answered, pinging.closed]);
      mock.timers.tick(1000);
    }
    await Promise.race([
      Promise.all([pinging.closed, silent.closed]),
      delay(2000, undefined, { ref: false }).then(() => assert.fail('a link is still there after 12 s')),
    ]);
  } finally {
    mock.timers.reset();
    await site.close();
  }
});

test('TLS sessions are resumed over a restart of the site, and a revoked client stays out all the same', async () => {
  const first = await TestSite.open();
  const client = await enrolledClient(first.target, first.token());
  const { authority, certificate } = client.identity;
  let session: Buffer | undefined;
  const tls = { authority, certificate, key: client.home.keyPem };
  const link = await ScriptedLink.open(first.target, { ...tls, onSession: (made) => (session = made) });
  await link.next('welcome');
  await until(() => session !== undefined);
  await first.close({ keep: true });
  const second = await TestSite.open({ directory: first.directory });
  const resumed = await ScriptedLink.open(second.target, { ...tls, session });
  assert.ok((resumed.webSocket as unknown as { _socket: { isSessionReused(): boolean } })._socket.isSessionReused());
  second.jump.revoke(ADMINISTRATOR, client.identity.client);
  resumed.send({
    kind: 'hello',
    versions: [1],
    instance: A,
    facts: { hostName: '', os: '', arch: '', addresses: [], user: '', version: '' },
    sessions: [],
  });
  assert.equal((await resumed.next('refused')).code, 'revoked');
  await second.close();
});
