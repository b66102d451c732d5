import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { z } from 'zod';
import { ApiClient, ApiError } from './api-client.ts';
import { Presence } from './presence.ts';

let answer: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => answer(request, response));
const browserFetch = globalThis.fetch;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  // A browser resolves addresses against its page; Node has none.
  globalThis.fetch = (input, init) => browserFetch(new URL(input as string, `http://127.0.0.1:${port}`), init);
});
after(() => {
  globalThis.fetch = browserFetch;
  server.close();
});
beforeEach(() => {
  answer = (_, response) => response.end('{}');
});

const refuse = (status: number, content: unknown) => {
  answer = (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(content));
  };
};
const thing = z.object({ name: z.string() });
const failure = async (work: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await work.then(() => undefined).catch((cause: unknown) => cause);
  assert.ok(error instanceof ApiError);
  return error;
};

test('a read gives the checked answer and leaves empty query values out', async () => {
  let seen = '';
  answer = (request, response) => {
    seen = `${request.method} ${request.url} ${String(request.headers['x-bascule-csrf'])}`;
    response.end(JSON.stringify({ name: 'a', extra: 1 }));
  };
  const api = new ApiClient('/api', new Presence(new EventTarget()));
  api.setCsrf('token');
  assert.deepEqual(await api.get('/things', thing, { user: '', before: undefined, limit: 5 }), { name: 'a' });
  assert.equal(seen, 'GET /api/things?limit=5 undefined');
});

test('a change carries the CSRF token and its body', async () => {
  let seen = '';
  answer = (request, response) => {
    seen = `${request.method} ${request.url} ${String(request.headers['x-bascule-csrf'])} `;
    request.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    request.on('end', () => response.end(JSON.stringify({ name: 'a' })));
  };
  const api = new ApiClient('/appliance/api', new Presence(new EventTarget()));
  api.setCsrf('token');
  await api.patch('/things/1', thing, { name: 'b' });
  assert.equal(seen, 'PATCH /appliance/api/things/1 token {"name":"b"}');
});

test('a refusal keeps code, field, params and request id', async () => {
  refuse(409, {
    error: { code: 'ACCOUNT_NAME_TAKEN', message: 'taken', field: 'body.name', params: { name: 'ann' }, requestId: 'r1' },
  });
  const error = await failure(new ApiClient('/api', new Presence(new EventTarget())).post('/users', thing));
  assert.deepEqual(
    [error.code, error.status, error.field, error.params, error.requestId],
    ['ACCOUNT_NAME_TAKEN', 409, 'body.name', { name: 'ann' }, 'r1'],
  );
});

test('only a lost login counts as lost, not a wrong password', async () => {
  const api = new ApiClient('/api', new Presence(new EventTarget()));
  let lost = 0;
  api.onUnauthenticated = () => (lost += 1);
  refuse(401, { error: { code: 'ACCOUNT_LOGIN_FAILED', message: 'no', requestId: 'r1' } });
  await failure(api.post('/auth/login', thing));
  assert.equal(lost, 0);
  refuse(401, { error: { code: 'NOT_LOGGED_IN', message: 'no', requestId: 'r1' } });
  await failure(api.get('/status', thing));
  assert.equal(lost, 1);
});

test("base's answer in the site's place, a foreign answer and no answer each have a code of their own", async () => {
  const api = new ApiClient('/api', new Presence(new EventTarget()));
  answer = (_, response) => void response.writeHead(503).end('<html>restarting</html>');
  assert.equal((await failure(api.get('/status', thing))).code, 'SITE_UNAVAILABLE');
  answer = (_, response) => void response.end('{"name": 1}');
  assert.equal((await failure(api.get('/status', thing))).code, 'BAD_ANSWER');
  answer = (request) => void request.socket.destroy();
  assert.equal((await failure(api.get('/status', thing))).code, 'NETWORK');
});
