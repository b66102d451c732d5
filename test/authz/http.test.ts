/** What every request passes through, on the site as it is composed: host, rate, cookie, CSRF, schemas, errors, headers, events. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { TOTP } from 'otpauth';
import { LOGIN_LIMIT, REQUEST_LIMIT } from '@bascule/http/http-server.ts';
import type { Me } from '@bascule/protocol/api/auth.ts';
import { CSRF_HEADER, type ApiError } from '@bascule/protocol/api/common.ts';
import { testContext } from '@bascule/store/testing.ts';
import { SITE_COOKIE } from '../../apps/site/src/identity/identity.ts';
import { openTestSite } from '../../apps/site/src/testing.ts';

const PASSWORD = 'correct horse battery';
const HOST = 'bascule.example:8443';
const ORIGIN = `https://${HOST}`;
let env: Awaited<ReturnType<typeof openTestSite>>;
let visitors = 0;
let address: string;

before(async () => {
  env = await openTestSite();
});
after(() => env[Symbol.asyncDispose]());
beforeEach(() => {
  visitors += 1;
  address = `10.1.${visitors >> 8}.${visitors & 255}`;
});

interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  headers?: Record<string, string>;
  body?: unknown;
  login?: Login;
}
interface Login {
  cookie: string;
  csrf: string;
}

async function ask(url: string, { method = 'GET', headers = {}, body, login }: Ask = {}) {
  const answer = await env.site.parts.http.app.inject({
    method,
    url,
    remoteAddress: address,
    headers: { host: HOST, ...(login && { cookie: `${SITE_COOKIE}=${login.cookie}`, [CSRF_HEADER]: login.csrf }), ...headers },
    ...(body !== undefined && { payload: body as object }),
  });
  const isJson = /^application\/json(;|$)/.test(String(answer.headers['content-type']));
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: answer.body,
    json: (isJson ? JSON.parse(answer.body) : undefined) as unknown,
  };
}

const errorOf = ({ json }: { json: unknown }) => (json as ApiError).error;

function cookieOf(headers: Record<string, unknown>): string {
  return /__Host-bascule-site=([^;]*)/.exec(String(headers['set-cookie']))?.[1] ?? '';
}

async function logIn(name: string, password: string): Promise<Login & { state: string; setCookie: string }> {
  const answer = await ask('/api/auth/login', { method: 'POST', body: { name, password }, headers: { origin: ORIGIN } });
  assert.equal(answer.status, 200, answer.body);
  const { csrf, state } = answer.json as { csrf: string; state: string };
  return { cookie: cookieOf(answer.headers), csrf, state, setCookie: String(answer.headers['set-cookie']) };
}

/** A user with a password of their own, logged in. */
async function newUser(role: 'administrator' | 'user' = 'user'): Promise<Login & { name: string; id: string }> {
  const name = `user${visitors}`;
  const { user, oneTimePassword } = await env.site.parts.accounts.users.create(testContext, { name, displayName: '', role });
  const first = await logIn(name, oneTimePassword);
  const changed = await ask('/api/auth/password', { method: 'POST', login: first, body: { next: PASSWORD } });
  assert.equal(changed.status, 200, changed.body);
  return { ...first, name, id: user.id };
}

test('the cookie is bound to host and page, and cannot be read or sent elsewhere', async () => {
  const { name } = await newUser();
  const { setCookie } = await logIn(name, PASSWORD);
  assert.match(setCookie, /^__Host-bascule-site=[A-Za-z0-9_-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
});

test('a one-time password must be changed before anything else works', async () => {
  const { oneTimePassword } = await env.site.parts.accounts.users.create(testContext, {
    name: 'first',
    displayName: '',
    role: 'administrator',
  });
  const login = await logIn('first', oneTimePassword);
  assert.equal(login.state, 'change-password');
  const refused = await ask('/api/users', { login });
  assert.deepEqual([refused.status, errorOf(refused).code], [401, 'PASSWORD_CHANGE_MISSING']);
  const short = await ask('/api/auth/password', { method: 'POST', login, body: { next: 'short' } });
  assert.deepEqual([short.status, errorOf(short).field], [400, 'body.next']);
  assert.equal((await ask('/api/auth/password', { method: 'POST', login, body: { next: PASSWORD } })).status, 200);
  assert.equal((await ask('/api/users', { login })).status, 200);
});

test('a changing request needs the token and our own origin', async () => {
  const login = await newUser();
  const change = (headers: Record<string, string>) =>
    ask('/api/auth/me', { method: 'PATCH', login, headers, body: { displayName: 'X' } });
  for (const headers of [
    { [CSRF_HEADER]: '' },
    { [CSRF_HEADER]: `${login.csrf.slice(1)}A` },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://${HOST}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ] as Record<string, string>[]) {
    const refused = await change(headers);
    assert.deepEqual([refused.status, errorOf(refused).code], [400, 'CSRF_MISMATCH'], JSON.stringify(headers));
  }
  assert.equal((await change({ origin: ORIGIN, 'sec-fetch-site': 'same-origin' })).status, 200);
  const crossLogin = await ask('/api/auth/login', {
    method: 'POST',
    body: { name: 'x', password: 'y' },
    headers: { origin: 'https://evil.example' },
  });
  assert.equal(errorOf(crossLogin).code, 'CSRF_MISMATCH');
});

test('a foreign name for our address is refused (DNS rebinding); names of ours, localhost and addresses are served', async () => {
  for (const host of ['evil.example', 'bascule.example.evil.example', 'user@bascule.example']) {
    const refused = await ask('/api/auth/me', { headers: { host } });
    assert.equal(refused.status, 400, host);
    assert.equal((await ask('/login', { headers: { host } })).status, 400, host);
  }
  for (const host of ['bascule.example', 'BASCULE.example:8443', 'localhost:1', '127.0.0.1:8443', '[::1]:8443'])
    assert.equal((await ask('/api/auth/me', { headers: { host } })).status, 401, host);
});

test('a wrong field is named, an unknown one refused, and nothing is changed', async () => {
  const login = await newUser('administrator');
  const settings = (await ask('/api/settings/security', { login })).json as Record<string, unknown>;
  const put = (body: unknown) => ask('/api/settings/security', { method: 'PUT', login, body });
  for (const [body, field] of [
    [{ ...settings, loginIdleMinutes: 1 }, 'body.loginIdleMinutes'],
    [{ ...settings, surprise: true }, 'body.surprise'],
    [{ ...settings, recordInput: 'yes' }, 'body.recordInput'],
    [[], 'body'],
  ] as const) {
    const refused = await put(body);
    assert.deepEqual([refused.status, errorOf(refused).code, errorOf(refused).field], [400, 'INPUT_INVALID', field]);
  }
  assert.deepEqual((await ask('/api/settings/security', { login })).json, settings);
  const query = await ask('/api/audit?limit=0', { login });
  assert.deepEqual([query.status, errorOf(query).field], [400, 'query.limit']);
  const saved = await put({ ...settings, loginIdleMinutes: 45 });
  assert.equal(saved.status, 200);
  assert.equal(env.site.parts.settings.current().loginIdleMinutes, 45);
  await put(settings);
});

test('a body that is too large, no JSON, or of another type is refused', async () => {
  const send = (headers: Record<string, string>, body: string) =>
    ask('/api/auth/login', { method: 'POST', headers, body: body as unknown as object });
  const json = { 'content-type': 'application/json' };
  assert.equal((await send(json, JSON.stringify({ name: 'x'.repeat(100_000), password: 'y' }))).status, 413);
  assert.equal((await send(json, '{')).status, 400);
  assert.equal((await send({ 'content-type': 'application/x-www-form-urlencoded' }, 'name=x&password=y')).status, 400);
  assert.equal((await send(json, '{"name":"x","password":"y","__proto__":{"a":1}}')).status, 400);
});

test('a flood of logins is refused with the time to wait; others go on', async () => {
  const { name } = await newUser();
  address = '10.9.9.1';
  const attempt = () => ask('/api/auth/login/passkey/begin', { method: 'POST', body: {} });
  for (let i = 0; i < LOGIN_LIMIT.burst; i++) assert.notEqual((await attempt()).status, 429);
  const refused = await attempt();
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  assert.equal((await ask('/api/auth/me')).status, 401, 'only logins are limited so strictly');
  address = '10.9.9.2';
  assert.equal((await logIn(name, PASSWORD)).state, 'ok');
});

test('requests of one address are limited, too', async () => {
  address = '10.9.9.3';
  for (let i = 0; i < REQUEST_LIMIT.burst; i++) await ask('/nothing');
  assert.equal((await ask('/nothing')).status, 429);
});

test('a code of the second factor completes a login once, and only after the password', async () => {
  const login = await newUser();
  const unasked = await ask('/api/auth/totp/begin', { method: 'POST', login, body: {} });
  assert.deepEqual([unasked.status, errorOf(unasked).field], [400, 'body.password']);
  const { secret } = (await ask('/api/auth/totp/begin', { method: 'POST', login, body: { password: PASSWORD } })).json as {
    secret: string;
  };
  const code = () => new TOTP({ secret }).generate({ timestamp: env.clock.nowMs });
  assert.equal((await ask('/api/auth/totp/confirm', { method: 'POST', login, body: { code: code() } })).status, 200);
  env.clock.nowMs += 60_000;
  const pending = await logIn(login.name, PASSWORD);
  assert.equal(pending.state, 'second-factor');
  assert.equal(errorOf(await ask('/api/status', { login: pending })).code, 'SECOND_FACTOR_MISSING');
  const done = await ask('/api/auth/login/totp', { method: 'POST', login: pending, body: { code: code() } });
  assert.equal(done.status, 200);
  const full = { cookie: cookieOf(done.headers), csrf: (done.json as Login).csrf };
  assert.equal((await ask('/api/status', { login: full })).status, 200);
  const replayed = await ask('/api/auth/login/totp', {
    method: 'POST',
    login: await logIn(login.name, PASSWORD),
    body: { code: code() },
  });
  assert.deepEqual([replayed.status, errorOf(replayed).code], [401, 'ACCOUNT_LOGIN_FAILED']);
});

test('a login session ends by idleness, and by logout', async () => {
  const login = await newUser();
  const ends = (await ask('/api/auth/me', { login })).json as Me;
  env.clock.nowMs = ends.idleEndsAtMs;
  assert.equal((await ask('/api/auth/me', { login })).status, 401);
  const again = await logIn(login.name, PASSWORD);
  const out = await ask('/api/auth/logout', { method: 'POST', login: again });
  assert.match(String(out.headers['set-cookie']), /__Host-bascule-site=; .*Max-Age=0/);
  assert.equal((await ask('/api/auth/me', { login: again })).status, 401);
});

test('nobody ends a login session of others, and one that is missing answers the same', async () => {
  const login = await newUser();
  visitors += 1;
  const other = await newUser();
  const { loginSession } = (await ask('/api/auth/me', { login: other })).json as Me;
  const foreign = await ask(`/api/auth/sessions/${loginSession}`, { method: 'DELETE', login });
  const missing = await ask(`/api/auth/sessions/${loginSession.slice(0, -1)}${loginSession.endsWith('0') ? '1' : '0'}`, {
    method: 'DELETE',
    login,
  });
  const { requestId: _one, ...foreignError } = errorOf(foreign);
  const { requestId: _other, ...missingError } = errorOf(missing);
  assert.deepEqual([foreign.status, foreignError], [missing.status, missingError]);
  assert.equal((await ask('/api/auth/me', { login: other })).status, 200);
});

test('pages have a strict policy with a nonce of their own; answers allow nothing and are not kept', async () => {
  const [one, other] = [await ask('/login'), await ask('/console/sessions/x')];
  const policyOf = ({ headers }: typeof one) => String(headers['content-security-policy']);
  const nonceOf = (page: typeof one) => /'nonce-([\w-]{22})'/.exec(policyOf(page))?.[1];
  for (const directive of [
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ])
    assert.ok(policyOf(one).includes(directive), directive);
  assert.ok(!policyOf(one).includes('unsafe'));
  assert.notEqual(nonceOf(one), nonceOf(other));
  if (one.status === 200) assert.ok(one.body.includes(nonceOf(one)!) && !one.body.includes('__CSP_NONCE__'));
  const api = await ask('/api/auth/me');
  assert.match(policyOf(api), /^default-src 'none'/);
  assert.equal(api.headers['cache-control'], 'no-store');
  assert.equal(api.headers['x-content-type-options'], 'nosniff');
  const root = await ask('/');
  assert.deepEqual([root.status, root.headers.location], [302, '/login']);
});

test('behind the preamble the peer it names counts, and an event stream tells what changed until the login session ends', async () => {
  const login = await newUser();
  const server = createServer({ pauseOnConnect: true }, (socket) => env.site.parts.http.accept(socket, { address, port: 1 }));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  client.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const heard = async (part: string | RegExp) => {
    while (!(typeof part === 'string' ? text.includes(part) : part.test(text))) await once(client, 'data');
  };
  client.write(`GET /api/events HTTP/1.1\r\nHost: ${HOST}\r\nCookie: ${SITE_COOKIE}=${login.cookie}\r\n\r\n`);
  await heard('text/event-stream');
  env.site.parts.events.publish('jump-items');
  env.site.parts.events.publish('jump-items');
  env.site.parts.events.publish('conflicts');
  await heard('event: changed\ndata: ["jump-items","conflicts"]');
  assert.equal((await ask('/api/auth/logout', { method: 'POST', login })).status, 200);
  await heard(/\r\n0\r\n\r\n$/);
  assert.equal(text.split('event: changed').length, 2, 'topics that changed together come together');
  client.destroy();
  server.close();
});

test('the list of own login sessions shows from where', async () => {
  const login = await newUser();
  const { sessions } = (await ask('/api/auth/sessions', { login })).json as { sessions: { current: boolean; address: string }[] };
  assert.deepEqual(
    sessions.map(({ current, address: from }) => [current, from]),
    [[true, address]],
  );
});

test('housekeeping is in the audit and its export, but listed only when asked for', async () => {
  const login = await newUser('administrator');
  const { accounts } = env.site.parts;
  await ask('/api/auth/me', { login });
  accounts.sessions.sweep();
  const codes = async (query: string) =>
    ((await ask(`/api/audit?${query}`, { login })).json as { events: { code: string }[] }).events.map(({ code }) => code);
  assert.ok(!(await codes('')).includes('ACCOUNT_SEEN_NOTED'));
  assert.ok((await codes('')).includes('ACCOUNT_CREATED'));
  assert.ok(!(await codes('housekeeping=false')).includes('ACCOUNT_SEEN_NOTED'));
  assert.ok((await codes('housekeeping=true')).includes('ACCOUNT_SEEN_NOTED'));
  assert.equal(errorOf(await ask('/api/audit?housekeeping=1', { login })).field, 'query.housekeeping');
  assert.match((await ask('/api/reports/audit/export', { login })).body, /ACCOUNT_SEEN_NOTED/);
});
