import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { createHttpServer, route, type HttpServer } from './http-server.ts';

const done = z.object({ done: z.boolean() });

async function serve(beforeReply?: () => Promise<void>): Promise<HttpServer> {
  const define = (method: 'GET' | 'POST', url: string, handle: () => unknown, answer: typeof done | undefined = done) =>
    route({
      method,
      url,
      action: 'public',
      ...(answer && { answer }),
      handle({ loginCookie, reply }) {
        if (method === 'POST') loginCookie.set('secret');
        return answer ? handle() : reply.send(handle());
      },
    });
  return createHttpServer({
    prefix: '/api',
    cookieName: '__Host-test',
    accounts: { actorKind: 'user', authenticate: () => undefined, noteAccessRefused: () => {} },
    authorize: () => undefined,
    routes: [
      define('GET', '/read', () => ({ done: true })),
      define('POST', '/change', () => ({ done: true })),
      { ...define('POST', '/here', () => ({ done: true })), changesHereAlone: true },
      define('POST', '/fail', () => {
        throw new AppError('conflict', 'TEST_CONFLICT', 'No.');
      }),
      route({ method: 'POST', url: '/stream', action: 'public', handle: ({ reply }) => reply.send(Readable.from(['stream'])) }),
      route({ method: 'POST', url: '/bytes', action: 'public', handle: ({ reply }) => reply.send('bytes') }),
    ],
    log: createLog('test', 'silent'),
    hosts: () => ['localhost'],
    staticRoot: import.meta.dirname,
    pages: {},
    ...(beforeReply && { beforeReply }),
  });
}

const ask = (server: HttpServer, method: 'GET' | 'POST', url: string) =>
  server.app.inject({ method, url: `/api${url}`, headers: { host: 'localhost', origin: 'https://localhost' } });

test('replies of changing requests wait, also those of failed ones and of handlers that reply themselves; reading, streams and changes of this appliance alone do not', async () => {
  let waited = 0;
  let release: () => void = () => {};
  const server = await serve(() => {
    waited += 1;
    return new Promise((resolve) => void (release = resolve));
  });
  for (const [method, url] of [
    ['GET', '/read'],
    ['POST', '/stream'],
    ['POST', '/missing'],
    ['POST', '/here'],
  ] as const)
    await ask(server, method, url);
  assert.equal(waited, 0);
  for (const [url, status] of [
    ['/change', 200],
    ['/fail', 409],
    ['/bytes', 200],
  ] as const) {
    let isAnswered = false;
    const before: number = waited;
    const answer = ask(server, 'POST', url).finally(() => (isAnswered = true));
    while (waited === before) await new Promise((resolve) => void setImmediate(resolve));
    await new Promise((resolve) => void setImmediate(resolve));
    assert.equal(isAnswered, false, url);
    release();
    assert.equal((await answer).statusCode, status, url);
    assert.equal(waited, before + 1, 'once a request');
  }
  await server.close();
});

test('a refusal is the answer, and takes the cookie back', async () => {
  const server = await serve(async () => {
    throw new AppError('unavailable', 'FAILOVER_NO_LEASE', 'Not any more.');
  });
  const answer = await ask(server, 'POST', '/change');
  assert.equal(answer.statusCode, 503);
  assert.equal(answer.json().error.code, 'FAILOVER_NO_LEASE');
  assert.equal(answer.headers['set-cookie'], undefined);
  await server.close();
  const without = await serve();
  const given = await ask(without, 'POST', '/change');
  assert.equal(given.statusCode, 200);
  assert.ok(given.headers['set-cookie']);
  await without.close();
});
