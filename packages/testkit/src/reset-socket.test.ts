import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { resetSocket } from './reset-socket.ts';

async function connected(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const near = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown];
  return { near, far };
}

test('a connection is reset for the other end', async (t) => {
  const { near, far } = await connected(t);
  resetSocket(near);
  const [error] = (await once(far, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('a connection whose end is on its way is closed, without a fault', { timeout: 10_000 }, async (t) => {
  const { near, far } = await connected(t);
  far.on('error', () => undefined);
  near.end();
  const closed = once(near, 'close');
  resetSocket(near);
  await closed;
  await once(far, 'close');
});
