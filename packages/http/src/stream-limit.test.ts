import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { StreamLimit } from './stream-limit.ts';

test('so many downloads at one time, in all and for one address; whoever ends, or leaves, makes room', async () => {
  const limit = new StreamLimit({ inAll: 3, perAddress: 2 });
  const closed: Promise<unknown>[] = [];
  const server = createServer((request, response) => {
    try {
      limit.enter(String(request.headers['x-from']), response);
      closed.push(once(response, 'close'));
      response.write('begins');
      if (request.url === '/short') response.end();
    } catch (error) {
      assert.ok(error instanceof AppError && error.kind === 'unavailable' && error.retryAfterSeconds === 10);
      response.writeHead(503).end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  async function ask(from: string, path = '/long'): Promise<IncomingMessage> {
    const request = get({ host: '127.0.0.1', port, path, agent: false, headers: { 'x-from': from } });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    return response.resume();
  }
  const status = async (from: string, path?: string) => (await ask(from, path)).statusCode;

  const first = await ask('192.0.2.1');
  assert.equal(await status('192.0.2.1'), 200);
  assert.equal(await status('::ffff:192.0.2.1'), 503, 'the same address');
  assert.equal(await status('192.0.2.2', '/short'), 200);
  await closed[2];
  assert.equal(await status('192.0.2.2'), 200, 'the short one has ended');
  assert.equal(await status('192.0.2.3'), 503, 'too many in all');
  first.destroy();
  await closed[0];
  assert.equal(await status('192.0.2.3'), 200);
  server.closeAllConnections();
  server.close();
});
