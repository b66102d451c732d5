/** API tokens at the HTTP server: what they open, what they do not, and that the document of the public API says the same as the server does. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { accountRoutes } from '@bascule/accounts/accounts.ts';
import { openTestAccounts } from '@bascule/accounts/testing.ts';
import { createHttpServer, LOGIN_LIMIT, route, TOKEN_LIMIT, type AnyRoute, type HttpServer } from '@bascule/http/http-server.ts';
import { openApiDocument, openApiRoute } from '@bascule/http/open-api.ts';
import { createLog } from '@bascule/log/log.ts';
import { CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { apiToken, failoverHealth, setRole } from '@bascule/protocol/api/failover.ts';
import { testContext } from '@bascule/store/testing.ts';
import { Policy } from '../../apps/site/src/policy/policy.ts';

const COOKIE = '__Host-bascule-test';
const HEALTH = { appliance: 'alpha', role: 'primary', ready: true, epoch: 3, lagChanges: 0, lagSeconds: 0, peer: 'reachable' };

let opened: ReturnType<typeof openTestAccounts>;
let http: HttpServer;
let routes: AnyRoute[];
let webDir: string;
let adminId: string;
let actors: string[];

before(async () => {
  opened = openTestAccounts();
  adminId = await opened.addUser('ann', 'a good long password', 'administrator');
  webDir = mkdtempSync(join(tmpdir(), 'bascule-web-'));
  writeFileSync(join(webDir, 'login.html'), '<!doctype html>');
  actors = [];
  routes = [
    ...accountRoutes(opened.accounts),
    route({
      method: 'GET',
      url: '/failover/health',
      action: 'failover.read',
      answer: failoverHealth,
      publicApi: { summary: 'Health', takes: 'token', alsoAnswers: { 503: 'Not ready for traffic.' } },
      handle: () => HEALTH,
    }),
    route({
      method: 'PUT',
      url: '/failover/role',
      action: 'failover.manage',
      body: setRole,
      answer: z.object({ ok: z.literal(true) }),
      publicApi: { summary: 'Set the role', takes: 'token' },
      handle({ context }) {
        actors.push(context.actor.name);
        return { ok: true };
      },
    }),
    // The same actions, but not of the public API: tokens stay outside.
    route({ method: 'GET', url: '/failover', action: 'failover.read', answer: z.object({}), handle: () => ({}) }),
    route({ method: 'POST', url: '/failover/break', action: 'failover.manage', answer: z.object({}), handle: () => ({}) }),
  ];
  const policy = new Policy({ groupIdsOfUser: () => [] });
  http = await createHttpServer({
    prefix: '/api',
    cookieName: COOKIE,
    accounts: opened.accounts,
    authorize: (principal, action) => policy.authorize(principal, action),
    routes: [...routes, openApiRoute(routes, { prefix: '/api', cookieName: COOKIE })],
    log: createLog('test', 'silent'),
    hosts: () => ['alpha.example.org'],
    staticRoot: webDir,
    pages: { '/login': 'login.html' },
    now: () => opened.clock.nowMs,
  });
});
after(async () => {
  await http.close();
  opened[Symbol.dispose]();
  rmSync(webDir, { recursive: true, force: true });
});

type Ask = { token?: string; headers?: Record<string, string>; body?: object };
async function ask(method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, { token, headers = {}, body }: Ask = {}) {
  const answer = await http.app.inject({
    method,
    url: `/api${url}`,
    headers: { host: 'alpha.example.org', ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { payload: body }),
  });
  const content = answer.json() as { error?: { code: string } };
  return { status: answer.statusCode, code: content.error?.code, content };
}
const ann = () => ({ id: adminId, name: 'ann' });
const tokenOf = (...scopes: ('failover:read' | 'failover:change')[]) =>
  opened.accounts.apiTokens.create(testContext, ann(), { name: 'script', scopes, days: 1 }).secret;
const ROLE = { body: { role: 'primary' } };

test('a token does what its scopes name, without cookie and CSRF token, and its name is in the audit', async () => {
  const read = tokenOf('failover:read');
  assert.deepEqual((await ask('GET', '/failover/health', { token: read })).content, HEALTH);
  assert.equal((await ask('PUT', '/failover/role', { token: read, ...ROLE })).code, 'NOT_FOUND');
  const change = tokenOf('failover:change');
  assert.equal((await ask('GET', '/failover/health', { token: change })).status, 200);
  assert.equal((await ask('PUT', '/failover/role', { token: change, ...ROLE })).status, 200);
  assert.deepEqual(actors, ['ann (API token script)']);
});

test('outside the public API a token is like nobody with that right: refused, and audited', async () => {
  const token = tokenOf('failover:read', 'failover:change');
  const before = opened.auditCodes().filter((code) => code === 'ACCESS_REFUSED').length;
  for (const [method, url] of [
    ['GET', '/failover'],
    ['POST', '/failover/break'],
    ['GET', '/auth/me'],
    ['GET', '/users'],
    ['GET', '/account/api-tokens'],
  ] as const)
    assert.equal((await ask(method, url, { token })).code, 'NOT_FOUND', `${method} ${url}`);
  assert.ok(opened.auditCodes().filter((code) => code === 'ACCESS_REFUSED').length > before);
  const another = { name: 'another', scopes: ['failover:read'], days: 1 };
  assert.equal((await ask('POST', '/account/api-tokens', { token, body: another })).code, 'NOT_FOUND');
});

test('a token beside a login cookie is refused, as is one from a foreign page', async () => {
  const token = tokenOf('failover:change');
  const cookie = `${COOKIE}=${'a'.repeat(43)}`;
  assert.equal((await ask('GET', '/failover/health', { token, headers: { cookie } })).code, 'TOKEN_BESIDE_COOKIE');
  const headers = { origin: 'https://evil.example.net' };
  assert.equal((await ask('PUT', '/failover/role', { token, headers, ...ROLE })).code, 'CSRF_MISMATCH');
});

test('a token loses what its account loses', async () => {
  const token = tokenOf('failover:read');
  await opened.addUser('second', 'yet another password', 'administrator');
  opened.accounts.users.change(testContext, adminId, { role: 'user' });
  assert.equal((await ask('GET', '/failover/health', { token })).code, 'NOT_FOUND');
  opened.accounts.users.change(testContext, adminId, { role: 'administrator' });
  assert.equal((await ask('GET', '/failover/health', { token })).status, 200);
});

test('requests of one token are limited, and wrong tokens of one address more so', async () => {
  const token = tokenOf('failover:read');
  const health = () => ask('GET', '/failover/health', { token });
  for (let asked = 0; asked < TOKEN_LIMIT.burst; asked += 1) assert.equal((await health()).status, 200);
  assert.equal((await health()).status, 429);
  assert.equal((await ask('GET', '/failover/health', { token: tokenOf('failover:read') })).status, 200);
  const codes = new Set<string | undefined>();
  for (let asked = 0; asked <= LOGIN_LIMIT.burst; asked += 1)
    codes.add((await ask('GET', '/failover/health', { token: 'no' })).code);
  assert.deepEqual([...codes], ['TOKEN_REFUSED', 'TOO_MANY_REQUESTS']);
});

test('people make, list and revoke tokens with their login, and only administrators', async () => {
  opened.clock.nowMs += 3_600_000;
  const login = async (name: string, password: string) => {
    const { cookie, principal } = await opened.accounts.logins.withPassword(name, password, { address: '::1', userAgent: '' });
    return { cookie: `${COOKIE}=${cookie}`, [CSRF_HEADER]: principal.csrf };
  };
  const headers = await login('ann', 'a good long password');
  const wanted = { name: 'balancer', scopes: ['failover:read'], days: 30 };
  const made = (await ask('POST', '/account/api-tokens', { headers, body: wanted })).content as unknown as {
    id: string;
    secret: string;
  };
  assert.equal((await ask('GET', '/failover/health', { token: made.secret })).status, 200);
  const listed = JSON.stringify((await ask('GET', '/account/api-tokens', { headers })).content);
  assert.ok(listed.includes(made.id) && !listed.includes(made.secret));
  assert.equal((await ask('DELETE', `/account/api-tokens/${made.id}`, { headers })).status, 200);
  assert.equal((await ask('GET', '/failover/health', { token: made.secret })).code, 'TOKEN_REFUSED');
  assert.equal((await ask('POST', '/account/api-tokens', { headers, body: { ...wanted, days: 367 } })).code, 'INPUT_INVALID');
  await opened.addUser('bob', 'a password of a user');
  assert.equal(
    (await ask('GET', '/account/api-tokens', { headers: await login('bob', 'a password of a user') })).code,
    'NOT_FOUND',
  );
});

type Schema = { required?: string[]; properties?: Record<string, { enum?: string[]; maximum?: number; default?: unknown }> };
type Operation = {
  operationId: string;
  security: Record<string, never[]>[];
  parameters: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: Schema & { additionalProperties?: boolean } }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
};

test('the OpenAPI document is made from the schemas that the server checks, and has nothing beside the public API', async () => {
  const document = (await ask('GET', '/openapi.json')).content as unknown as {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
  };
  assert.deepEqual(document, JSON.parse(JSON.stringify(openApiDocument(routes, { prefix: '/api', cookieName: COOKIE }))));
  assert.equal(document.openapi, '3.1.0');
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  assert.deepEqual(operations.toSorted(), [
    'delete /api/account/api-tokens/{id}',
    'get /api/account/api-tokens',
    'get /api/failover/health',
    'post /api/account/api-tokens',
    'put /api/failover/role',
  ]);
  const health = document.paths['/api/failover/health']?.['get'];
  assert.deepEqual(health?.security, [{ token: [] }, { login: [] }]);
  const answer = (status: string) => health?.responses[status]?.content?.['application/json']?.schema;
  assert.deepEqual(answer('200')?.required, Object.keys(failoverHealth.shape));
  assert.deepEqual(answer('503'), answer('200'));
  const role = document.paths['/api/failover/role']?.['put']?.requestBody?.content['application/json']?.schema;
  assert.deepEqual(
    [role?.required, role?.properties?.['role']?.enum, role?.additionalProperties],
    [['role'], ['primary', 'backup'], false],
  );
  const tokens = document.paths['/api/account/api-tokens'];
  assert.deepEqual(tokens?.['post']?.security, [{ login: [] }]);
  assert.ok(tokens?.['post']?.parameters.some(({ name }) => name === CSRF_HEADER));
  assert.equal(tokens?.['post']?.requestBody?.content['application/json']?.schema.properties?.['days']?.maximum, 366);
  const path = document.paths['/api/account/api-tokens/{id}']?.['delete']?.parameters[0];
  assert.deepEqual([path?.name, path?.in], ['id', 'path']);
  assert.ok(Object.keys(apiToken.shape).every((field) => JSON.stringify(tokens?.['get']).includes(`"${field}"`)));
});
