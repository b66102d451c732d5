import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { createLog } from '@bascule/log/log.ts';
import { createHttpServer, route } from './http-server.ts';

/** A server with one route that answers when the test lets it, behind a Unix socket as a site is. */
async function withServer(
  work: (parts: {
    ask(): Promise<IncomingMessage>;
    entered: Promise<void>;
    answer(): void;
    close(limitMs?: number): Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-http-'));
  const path = join(directory, 's.sock');
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const principal = {
    id: 'usr_1',
    name: 'ada',
    displayName: 'Ada',
    role: 'user' as const,
    state: 'ok' as const,
    loginSession: 'lgs_1',
    csrf: '',
    language: 'en' as const,
  };
  const http = await createHttpServer({
    prefix: '/api',
    cookieName: '__Host-test',
    accounts: { actorKind: 'user', authenticate: () => principal, noteAccessRefused: () => {} },
    authorize: (who, action) => ({ principal: who, action }),
    routes: [
      route({
        method: 'GET',
        url: '/slow',
        action: 'test.slow',
        answer: z.object({ done: z.boolean() }),
        async handle() {
          enter();
          await answered;
          return { done: true };
        },
      }),
    ],
    log: createLog('test', 'silent'),
    hosts: () => ['localhost'],
    staticRoot: directory,
    pages: {},
  });
  const server = createServer({ pauseOnConnect: true }, (socket) => http.accept(socket, { address: '192.0.2.1', port: 1 }));
  server.listen(path);
  await once(server, 'listening');
  const agent = new Agent({ keepAlive: true });
  const ask = async () => {
    const sent = request({ agent, socketPath: path, path: '/api/slow', headers: { host: 'localhost' } });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response;
  };
  try {
    await work({ ask, entered, answer, close: (limitMs) => http.close(limitMs) });
  } finally {
    answer();
    agent.destroy();
    server.close();
    await http.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

test('an orderly end answers what is under way, and says that the connection ends', () =>
  withServer(async ({ ask, entered, answer, close }) => {
    const asked = ask();
    await entered;
    const closed = close(10_000);
    answer();
    const { statusCode, headers } = await asked;
    assert.deepEqual([statusCode, headers.connection], [200, 'close']);
    await closed;
  }));

test('what takes longer than the limit is cut off; without a limit all is', () =>
  withServer(async ({ ask, entered, close }) => {
    const asked = assert.rejects(ask());
    await entered;
    await close(30);
    await asked;
  }));

test('who comes when the end has begun is cut unheard, and never refused', () =>
  withServer(async ({ ask, close }) => {
    const closed = close(30);
    // Taken from the socket while the server ends: asked of another program instead.
    const late = Promise.allSettled(Array.from({ length: 20 }, ask));
    await closed;
    for (const outcome of [...(await late), ...(await Promise.allSettled([ask()]))])
      assert.equal(outcome.status === 'fulfilled' ? outcome.value.statusCode : 'cut', 'cut');
  }));
