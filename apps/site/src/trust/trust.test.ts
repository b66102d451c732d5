import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { enrolledClient, ScriptedLink, silent } from '@bascule/client/testing.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import type { LossCode, PlannedChange } from '@bascule/protocol/losses.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { ADMINISTRATOR } from '../jump/testing.ts';
import { SiteIdentity, type ClientRow } from '../jump/jump.ts';
import { openTestSite } from '../testing.ts';
import { ClientRecords } from './client-records.ts';
import { consoleFinding, LossList, lookAt, SEEN_LATELY_MS, type LossView } from './losses.ts';
import { Trust } from './trust.ts';

const A = 'a'.repeat(32);
const code = (expected: string) => (error: unknown) => error instanceof AppError && error.code === expected;
const DAY_MS = 24 * 60 * 60_000;
const SOFTWARE: ClientSoftware = {
  program: 'jump-client',
  version: '0.2.0',
  revision: 'abc',
  platform: 'linux-x64',
  mode: 'active',
  bundle: null,
  runtime: null,
  upgradable: true,
  trial: false,
  dials: { host: 'bascule.example', port: 8443, proxy: false },
  freeBytes: 1e9,
  authority: '0'.repeat(64),
};

/** The whole site, its control links on a free port. */
async function openLinkedSite() {
  const opened = await openTestSite();
  const server = createServer({ pauseOnConnect: true }, (socket) => opened.site.acceptLink(socket, new Uint8Array()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port, proxy: undefined };
  const { jump, trust, store, identity, accounts, fleet } = opened.site.parts;
  const token = () =>
    jump.tokens.create(ADMINISTRATOR, { name: 'test', uses: 10, approveEach: false, validForMs: 3_600_000, groupId: null }).text;
  return {
    target,
    token,
    jump,
    trust,
    store,
    identity,
    accounts,
    fleet,
    /** In place of the site's own, as in a version that is still watched; `mailed` hears what people are told. */
    anotherTrust(mailed: (what: string) => void) {
      const another = new Trust({
        store,
        identity,
        jump,
        address: () => ({ host: 'bascule.example', port: 8443 }),
        webKeyPin: () => '',
        isCommitted: false,
        mail: { tell: ({ what }) => mailed(what) },
        log: silent,
        now: () => opened.clock.nowMs,
      });
      return Object.assign(another, { [Symbol.dispose]: () => another.close() });
    },
    /** A person who has a password, and a login session of a browser. */
    async loggedIn(name: string) {
      const made = await accounts.users.create(ADMINISTRATOR, { name, displayName: '', role: 'user' });
      const visitor = { address: '192.0.2.1', userAgent: '' };
      const { principal } = await accounts.logins.withPassword(name, made.oneTimePassword, visitor);
      await accounts.logins.changePassword(ADMINISTRATOR, principal, { next: 'correct horse battery' });
      return { id: principal.id, login: principal };
    },
    clock: opened.clock,
    async [Symbol.asyncDispose]() {
      server.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

async function hello(site: { target: ScriptedTarget }, client: Awaited<ReturnType<typeof enrolledClient>>, more: object = {}) {
  const link = await ScriptedLink.hello(site.target, client, A, { software: SOFTWARE, ...more });
  const accepted = await link.next('accepted');
  link.webSocket.close();
  await link.closed;
  return accepted;
}
type ScriptedTarget = Parameters<typeof ScriptedLink.hello>[0];

test('a client gets a record, another when something in it has changed, and none while it is as it was', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const first = await hello(site, client);
  assert.ok(first.record !== undefined);
  assert.equal((await hello(site, client, { record: first.record })).record, undefined);
  site.jump.changeItem(ADMINISTRATOR, client.identity.client, { name: 'another name' });
  const second = await hello(site, client, { record: first.record });
  assert.ok(second.record !== undefined && second.record !== first.record);
  site.clock.nowMs += 2 * 60 * 60_000;
  assert.ok((await hello(site, client, { record: second.record })).record !== undefined, 'it is old');
  assert.equal(site.trust.restored(), null);
});

test('a client that is refused as revoked is given that to bear, of the moment at which it was revoked', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const first = recordText((await hello(site, client)).record);
  site.jump.revoke(ADMINISTRATOR, client.identity.client);
  const link = await ScriptedLink.hello(site.target, client, A, { software: SOFTWARE });
  const refused = recordText((await link.next('refused')).record);
  assert.equal(refused.state, 'revoked');
  // In the same millisecond: the place in the history is not that of the record before.
  assert.equal(refused.madeAtMs, first.madeAtMs);
  assert.ok(refused.history.sequence > first.history.sequence, 'a database of before would take it back');
});

function recordText(record = ''): { state: string; madeAtMs: number; history: { sequence: number } } {
  const [payload = ''] = record.split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as ReturnType<typeof recordText>;
}

test('records that this site has not signed, or about another client, change nothing', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const id = client.identity.client;
  const keysDir = mkdtempSync(join(tmpdir(), 'bascule-other-'));
  const other = new ClientRecords({ identity: await SiteIdentity.open({ keysDir }), reader: site.store, now: Date.now });
  const content = { name: 'forged', group: null, tags: [], state: 'revoked' as const };
  const genuine = new ClientRecords({ identity: site.identity, reader: site.store, now: Date.now });
  const foreign = other.sign(id, content)!;
  const [payload = '', signature = ''] = genuine.sign(id, content)!.split('.');
  const altered = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { history: { hash: string } };
  altered.history.hash = 'f'.repeat(64);
  const forged = [
    `${Buffer.from(JSON.stringify(altered)).toString('base64url')}.${signature}`,
    newerHistory(foreign),
    genuine.sign('jcl_019a0000-0000-7000-8000-000000000000', content)!,
    'nonsense',
  ];
  for (const record of forged) {
    const accepted = await hello(site, client, { record });
    assert.equal(accepted.state, 'approved');
  }
  assert.equal(site.trust.restored(), null);
  rmSync(keysDir, { recursive: true });
});

/** As `record`, of a database that this one is not. */
function newerHistory(record: string): string {
  const [payload = '', signature = ''] = record.split('.');
  const text = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { history: { sequence: number } };
  text.history.sequence += 1000;
  return `${Buffer.from(JSON.stringify(text)).toString('base64url')}.${signature}`;
}

test('no rotation while a version is watched; a database older than what clients bear is mailed once', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const mails: string[] = [];
  using trust = site.anotherTrust((what) => mails.push(what));
  await assert.rejects(trust.rotate(ADMINISTRATOR), code('IDENTITY_NOT_NOW'));
  trust.committed();
  const before = site.identity.fingerprintSha256;
  await trust.rotate(ADMINISTRATOR);
  assert.notEqual(site.identity.fingerprintSha256, before);

  const { record = '' } = await hello(site, client);
  const [payload = ''] = newerHistory(record).split('.');
  const signature = Buffer.from(site.identity.sign(Buffer.from(`bascule-record/1\n${payload}`))).toString('base64url');
  for (let times = 0; times < 2; times++) await hello(site, client, { record: `${payload}.${signature}` });
  assert.equal(trust.restored()?.clients, 1);
  assert.equal(mails.length, 1);
  assert.match(mails[0] ?? '', /older than what its Jump Clients bear: revocations made since .* may be missing/);
  trust.dismissRestored(ADMINISTRATOR);
  assert.equal(trust.restored(), null);
});

test('a rotation is audited and given to clients; losses go on to count', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const before = site.identity.fingerprintSha256;
  await site.trust.rotate(ADMINISTRATOR);
  const accepted = await hello(site, client, { software: { ...SOFTWARE, authority: before } });
  assert.equal(client.home.take(client.identity, accepted).authority.trim(), site.identity.certificatePem.trim());
  assert.ok(readAudit(site.store, { limit: 50 }).some(({ code }) => code === 'SITE_IDENTITY_ROTATED'));
  const state = site.trust.identityState();
  assert.deepEqual([state.former.length, state.former[0]?.fingerprintSha256], [1, before]);
  assert.equal((await site.trust.losses({ kind: 'identity' })).seenLately, 1);
});

test('a client that is given the new identity is not counted as behind, from its first connect on', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const software = { ...SOFTWARE, authority: site.identity.fingerprintSha256 };
  const connect = async () => {
    const link = await ScriptedLink.hello(site.target, client, A, { software });
    await link.next('accepted');
    return link;
  };
  const close = async (link: Awaited<ReturnType<typeof connect>>) => {
    link.webSocket.close();
    await link.closed;
  };
  const before = await connect();
  assert.equal(site.trust.identityState().behind, 0);
  await site.trust.rotate(ADMINISTRATOR);
  assert.equal(site.trust.identityState().behind, 1, 'it is connected, and was told nothing yet');
  await close(before);
  const after = await connect();
  assert.equal(site.trust.identityState().behind, 0);
  await close(after);
  // One whose authority this site has never had cannot follow.
  software.authority = SOFTWARE.authority;
  const stranger = await connect();
  assert.equal(site.trust.identityState().behind, 1);
  await close(stranger);
});

test('each change finds whom it would cost, and why', () => {
  const nowMs = Date.now();
  const view: Omit<LossView, 'change'> = {
    nowMs,
    host: 'bascule.example',
    port: 8443,
    isFollowedFrom: (authority) => authority === SOFTWARE.authority,
    hasProgram: (program) => program === 'jump-client',
  };
  const found = (
    change: PlannedChange,
    software: Partial<ClientSoftware> | undefined,
    row: Partial<ClientRow> = {},
    protocol?: number,
  ) => {
    const list = new LossList();
    const stored = software === undefined ? '' : JSON.stringify({ ...SOFTWARE, ...software });
    const whole = {
      id: 'jcl_1',
      name: 'web',
      state: 'approved',
      program: 'jump-client',
      lastSeenAtMs: nowMs - DAY_MS,
      software: stored,
      ...row,
    };
    lookAt(whole as ClientRow, { isOnline: false, software: undefined, protocol }, { ...view, change }, list);
    const [first] = list.result().list;
    return first && `${first.severity} ${first.code}`;
  };
  const moved: PlannedChange = { kind: 'host-name', host: 'new.example', port: 8443, keepsOldName: false };
  const packaged: PlannedChange = { kind: 'package', version: '0.3.0' };
  const renewed: PlannedChange = {
    kind: 'certificate',
    names: [],
    keySha256: '0'.repeat(64),
    isPubliclyTrusted: false,
    expiresAtMs: 0,
  };
  const expected = (severity: string, code: LossCode) => `${severity} ${code}`;
  assert.equal(found(renewed, {}), undefined);
  assert.equal(found(moved, {}), expected('lost', 'dials-old-name'));
  assert.equal(found({ ...moved, keepsOldName: true }, {}), undefined);
  assert.equal(found(moved, { dials: { host: 'NEW.example', port: 8443, proxy: false } }), undefined);
  assert.equal(found({ kind: 'identity' }, {}), undefined);
  assert.equal(found({ kind: 'identity' }, { authority: '1'.repeat(64) }), expected('lost', 'cannot-follow-identity'));
  assert.equal(found({ kind: 'identity' }, undefined), expected('lost', 'cannot-follow-identity'));
  assert.equal(found(packaged, {}), undefined);
  assert.equal(found(packaged, undefined), expected('trouble', 'cannot-upgrade'));
  assert.equal(found(packaged, { freeBytes: 1000 }), expected('trouble', 'disk-full'));
  assert.equal(found(packaged, { platform: 'linux-arm64' }), expected('trouble', 'no-program-for-platform'));
  assert.equal(found(packaged, { program: 'jumpoint' }), expected('trouble', 'no-program-for-platform'));
  assert.equal(found(packaged, {}, { lastSeenAtMs: nowMs - SEEN_LATELY_MS - DAY_MS }), expected('trouble', 'not-seen-lately'));
  assert.equal(found(packaged, {}, { lastSeenAtMs: nowMs - 3 * 365 * DAY_MS }), expected('lost', 'certificate-ended'));
  assert.equal(found(moved, {}, { state: 'revoked' }), undefined);
  assert.equal(found({ ...packaged, oldestProtocol: 2 }, {}, {}, 1), expected('lost', 'protocol-too-old'));
  assert.equal(found({ ...packaged, oldestProtocol: 2 }, {}, {}, 2), undefined);
});

test('consoles ask their users about a certificate that they can neither verify nor be told of', () => {
  const view = { host: 'bascule.example', port: 8443, webKeySha256: '1'.repeat(64), tls: 'refuse' as const };
  const renewed = {
    kind: 'certificate' as const,
    names: ['*.example'],
    keySha256: '0'.repeat(64),
    isPubliclyTrusted: false,
    expiresAtMs: 0,
  };
  const moved = { kind: 'host-name', host: 'new.example', port: 8443, keepsOldName: false } as const;
  const code = (change: PlannedChange, changes: Partial<typeof view> | { tls: 'site-identity' } = {}) =>
    consoleFinding(change, { ...view, ...changes })?.code;
  assert.equal(code(renewed), 'console-must-confirm');
  assert.equal(code(renewed, { tls: 'site-identity' }), undefined);
  assert.equal(code({ ...renewed, keySha256: view.webKeySha256 }), undefined);
  assert.equal(code({ ...renewed, isPubliclyTrusted: true }), undefined);
  assert.equal(
    code({ ...renewed, isPubliclyTrusted: true, names: ['other.example', '*.bascule.example'] }),
    'console-must-confirm',
  );
  assert.equal(code(moved), 'dials-old-name');
  assert.equal(code({ ...moved, keepsOldName: true }), undefined);
  assert.equal(code({ ...moved, keepsOldName: true, port: 443 }), 'dials-old-name');
  assert.equal(code({ kind: 'identity' }), undefined);
});

test('the site counts the consoles that are logged in, and the protocols that clients speak', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const link = await ScriptedLink.hello(site.target, client, A, { software: SOFTWARE });
  await link.next('accepted');
  const packaged: PlannedChange = { kind: 'package', version: '9.0.0', oldestProtocol: 2 };
  const found = (change: PlannedChange) =>
    site.trust.losses(change).then(({ list }) => list.map(({ what, name, code }) => [what, name, code]));
  assert.deepEqual(await found(packaged), [['jump-client', 'web-1', 'protocol-too-old']]);
  link.webSocket.close();
  await link.closed;

  const { id, login } = await site.loggedIn('ann');
  for (const userAgent of ['bascule 0.2.0 on desk', 'bascule 0.2.1 on desk', 'bascule 0.2.0 on lap top', 'Mozilla/5.0'])
    site.accounts.startGranted(id, { address: '192.0.2.7', userAgent });
  const renewed: PlannedChange = {
    kind: 'certificate',
    names: [],
    keySha256: '0'.repeat(64),
    isPubliclyTrusted: false,
    expiresAtMs: 0,
  };
  assert.deepEqual(
    (await found(renewed)).filter(([what]) => what === 'console'),
    [
      ['console', 'ann (desk)', 'console-must-confirm'],
      ['console', 'ann (lap top)', 'console-must-confirm'],
    ],
  );
  site.fleet.changeSettings(ADMINISTRATOR, { ...site.fleet.settings(), consoleTls: 'site-identity' });
  assert.deepEqual(await found(renewed), []);
  site.fleet.changeSettings(ADMINISTRATOR, { ...site.fleet.settings(), consoleTls: 'refuse' });
  site.accounts.sessions.endOwn(ADMINISTRATOR, login, login.loginSession, 'test');
  await site.accounts.resetPassword(ADMINISTRATOR, 'ann');
  assert.deepEqual(await found(renewed), [], 'their logins are over');
});

test('a whole fleet that comes back with older and older records is one event, not one for each client', async () => {
  await using site = await openLinkedSite();
  const client = await enrolledClient(site.target, site.token());
  const { record = '' } = await hello(site, client);
  const times: number[] = [];
  for (let number = 0; number < 6; number++) {
    site.clock.nowMs += 60_000;
    times.push(site.clock.nowMs);
    site.store.transact(ADMINISTRATOR, { code: 'TEST', summary: '', details: {} }, () => undefined);
  }
  const toldTimes = () =>
    readAudit(site.store, { limit: 200 }).filter(({ code }) => code === 'DATABASE_OLDER_THAN_CLIENTS').length;
  {
    using trust = site.anotherTrust(() => undefined);
    for (const madeAtMs of times.toReversed()) await hello(site, client, { record: signedAnew(site, record, madeAtMs + 1) });
    assert.equal(trust.restored()?.sinceMs, times[0]);
    assert.equal(toldTimes(), 1);
  }
  using after = site.anotherTrust(() => undefined);
  assert.equal(after.restored()?.sinceMs, times[0], 'it is kept');
  assert.equal(toldTimes(), 1);
});

/** As `record`, made at that time in a history that this database does not hold. */
function signedAnew(site: { identity: SiteIdentity }, record: string, madeAtMs: number): string {
  const [newer = ''] = newerHistory(record).split('.');
  const text = JSON.parse(Buffer.from(newer, 'base64url').toString()) as object;
  const payload = Buffer.from(JSON.stringify({ ...text, madeAtMs })).toString('base64url');
  return `${payload}.${Buffer.from(site.identity.sign(Buffer.from(`bascule-record/1\n${payload}`))).toString('base64url')}`;
}
