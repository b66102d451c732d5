import assert from 'node:assert/strict';
import { createHash, randomBytes, verify, X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { testContext } from '@bascule/store/testing.ts';
import { SITE_COOKIE } from '../identity/identity.ts';
import { openTestSite } from '../testing.ts';
import { CONSOLE_LOGIN_LIFE_MS, WAITING_LOGINS_PER_ADDRESS_LIMIT } from './console-logins.ts';

const PASSWORD = 'correct horse battery';
type TestSite = Awaited<ReturnType<typeof openTestSite>>;
interface Answer {
  status: number;
  body: Record<string, unknown>;
  cookie: string | undefined;
}

let site: TestSite;
let person: { cookie: string; csrf: string };
let user: string;
let addresses = 0;

before(async () => {
  site = await openTestSite();
  const { accounts } = site.site.parts;
  const made = await accounts.users.create(testContext, { name: 'ann', displayName: '', role: 'user' });
  const { principal, cookie } = await accounts.logins.withPassword('ann', made.oneTimePassword, visitor('192.0.2.1'));
  await accounts.logins.changePassword(testContext, principal, { next: PASSWORD });
  person = { cookie, csrf: principal.csrf };
  user = principal.id;
});
after(() => site[Symbol.asyncDispose]());

const visitor = (address: string) => ({ address, userAgent: '' });
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const freshAddress = () => `10.1.${addresses >> 8}.${addresses++ & 255}`;

async function ask(
  method: 'GET' | 'POST',
  url: string,
  options: { body?: object; login?: typeof person; address?: string } = {},
): Promise<Answer> {
  const { body, login, address = freshAddress() } = options;
  const answer = await site.site.parts.http.app.inject({
    method,
    url: `/api/console/${url}`,
    remoteAddress: address,
    headers: { host: 'localhost', ...(login && { cookie: `${SITE_COOKIE}=${login.cookie}`, [CSRF_HEADER]: login.csrf }) },
    ...(body && { payload: body }),
  });
  const cookie = answer.cookies.find(({ name }) => name === SITE_COOKIE)?.value;
  return { status: answer.statusCode, body: answer.json(), cookie };
}

async function begin(address?: string) {
  const secret = randomBytes(32).toString('base64url');
  const body = { secretSha256: sha256(secret), machine: 'desk-17', version: '0.2.0' };
  const { status, body: begun } = await ask('POST', 'logins', { body, ...(address && { address }) });
  assert.equal(status, 200);
  return { secret, id: String(begun['id']), code: String(begun['code']), path: String(begun['path']) };
}

const decide = (code: string, grant: boolean) => ask('POST', `logins/by-code/${code}/decide`, { body: { grant }, login: person });
const collect = (id: string, secret: string) => ask('POST', `logins/${id}/collect`, { body: { secret } });

test('a console waits, is confirmed by a person, and collects a login session of its own once', async () => {
  const { id, code, secret, path } = await begin('192.0.2.9');
  assert.match(code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal(path, `/login/console-login?code=${code}`);
  assert.deepEqual((await collect(id, secret)).body, { state: 'waiting' });

  const { body: asked } = await ask('GET', `logins/by-code/${code}`, { login: person, address: '192.0.2.9' });
  assert.deepEqual(
    { ...asked, askedAtMs: 0 },
    { machine: 'desk-17', version: '0.2.0', address: '192.0.2.9', sameAddress: true, askedAtMs: 0 },
  );
  const elsewhere = await ask('GET', `logins/by-code/${code.toLowerCase()}`, { login: person });
  assert.equal(elsewhere.body['sameAddress'], false);

  assert.equal((await decide(code, true)).status, 200);
  const collected = await collect(id, secret);
  assert.deepEqual(collected.body, { state: 'granted', user: 'ann' });
  const principal = site.site.parts.accounts.authenticate(collected.cookie);
  assert.equal(principal?.id, user);
  const [own] = site.site.parts.accounts.sessions.own(principal).filter(({ current }) => current);
  assert.equal(own?.userAgent, 'bascule 0.2.0 on desk-17');
  assert.equal(own.address, '192.0.2.9');
  assert.equal((await collect(id, secret)).status, 404, 'single use');
});

test('a wrong secret, an unknown id, a used code and an old one are answered alike', async () => {
  const { id, code, secret } = await begin();
  const unknown = 'cln_01890a5d-ac96-774b-bcce-b302099a8057';
  const answers = [await collect(id, `${secret}x`), await collect(unknown, secret)];
  await decide(code, false);
  answers.push(await decide(code, true), await ask('GET', `logins/by-code/${code}`, { login: person }));
  const old = await begin();
  site.clock.nowMs += CONSOLE_LOGIN_LIFE_MS;
  answers.push(await collect(old.id, old.secret), await decide(old.code, true));
  for (const { status, body } of answers) {
    assert.equal(status, 404);
    assert.equal((body['error'] as { code: string }).code, 'NOT_FOUND');
  }
});

test('a refused console is told so, and gets nothing', async () => {
  const { id, code, secret } = await begin();
  await decide(code, false);
  const collected = await collect(id, secret);
  assert.deepEqual(collected.body, { state: 'refused' });
  assert.equal(collected.cookie, undefined);
});

test('a person who is not logged in confirms nothing', async () => {
  const { code } = await begin();
  assert.equal((await ask('POST', `logins/by-code/${code}/decide`, { body: { grant: true } })).status, 401);
});

test('whoever logs out before the console collects has taken the confirmation back', async () => {
  const { accounts } = site.site.parts;
  const first = await begin();
  const brief = await accounts.logins.withPassword('ann', PASSWORD, visitor('192.0.2.2'));
  const login = { cookie: brief.cookie, csrf: brief.principal.csrf };
  await ask('POST', `logins/by-code/${first.code}/decide`, { body: { grant: true }, login });
  accounts.sessions.endOwn(testContext, brief.principal, brief.principal.loginSession, 'logged out');
  assert.deepEqual((await collect(first.id, first.secret)).body, { state: 'refused' });
});

test('one address takes only so many places', async () => {
  const address = '198.51.100.7';
  for (let count = 0; count < WAITING_LOGINS_PER_ADDRESS_LIMIT; count++) await begin(address);
  const body = { secretSha256: sha256('x'), machine: 'desk', version: '0.2.0' };
  assert.equal((await ask('POST', 'logins', { body, address })).status, 429);
  assert.ok((await begin()).code, 'others still get one');
});

test('confirming and refusing are in the audit log, with machine and address', async () => {
  const { code } = await begin('192.0.2.77');
  await decide(code, true);
  const events = site.site.parts.store.all<{ code: string; data: string }>(
    'SELECT code, details AS data FROM audit_event ORDER BY sequence DESC LIMIT 5',
  );
  assert.ok(JSON.stringify(events).includes('192.0.2.77'));
  assert.ok(JSON.stringify(events).includes('CONSOLE_LOGIN_GRANTED'));
});

test('about says what the site has, and whether it still talks to the console that asks', async () => {
  const { status, body } = await ask('GET', 'about?version=0.2.0');
  assert.equal(status, 200);
  assert.equal(body['supported'], true);
  assert.equal(body['tls'], 'refuse');
  assert.equal((await ask('GET', 'about?version=0.0.9')).body['supported'], false);
  assert.equal((await ask('GET', `parcels/${'0'.repeat(64)}`)).status, 404);
});

test('the site identity vouches for the web key in force, for the one who asks', async () => {
  const key = createHash('sha256').update('web key').digest();
  site.site.setWebKeyPin(key.toString('base64'));
  const nonce = 'ab'.repeat(32);
  const { body } = await ask('POST', 'vouch', { body: { nonce } });
  assert.equal(body['keySha256'], key.toString('hex'));
  const [authority = ''] = body['chain'] as string[];
  const said = Buffer.from(`bascule-vouch/1\n${nonce}\n${key.toString('hex')}`);
  assert.ok(verify('sha256', said, new X509Certificate(authority).publicKey, Buffer.from(String(body['signature']), 'base64')));
});
