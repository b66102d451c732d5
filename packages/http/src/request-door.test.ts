import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { createHttpServer } from './http-server.ts';

const BURST = 3;

test('an upgrade gets to the door only for a name of ours, and within the rate of its address', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  const path = join(directory, 's.sock');
  const http = await createHttpServer({
    prefix: '/api',
    cookieName: '__Host-test',
    accounts: { actorKind: 'user', authenticate: () => undefined, noteAccessRefused: () => {} },
    authorize: () => undefined,
    routes: [],
    log: createLog('test', 'silent'),
    hosts: () => ['ours.example'],
    staticRoot: directory,
    pages: {},
    limits: { request: { burst: BURST, perSecond: 0.001 } },
    door: {
      take: () => false,
      upgrade: (_request, socket) => void socket.end('the door'),
    },
  });
  const server = createServer({ pauseOnConnect: true }, (socket) => http.accept(socket, { address: '192.0.2.1', port: 1 }));
  await once(server.listen(path), 'listening');
  const ask = async (host: string) => {
    const socket = connect(path);
    socket.write(`GET /stream HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    return await text(socket);
  };
  try {
    assert.equal(await ask('evil.example'), '');
    for (let count = 0; count < BURST; count += 1) assert.equal(await ask('ours.example'), 'the door');
    assert.equal(await ask('ours.example'), '');
  } finally {
    server.close();
    await http.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
