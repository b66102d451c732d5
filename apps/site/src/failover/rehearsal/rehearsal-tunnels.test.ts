import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp, request } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { REHEARSAL_TUNNEL_PATH, REHEARSAL_TUNNEL_PROTOCOL } from '@bascule/protocol/rehearsal.ts';
import { RehearsalTunnels } from './rehearsal-tunnels.ts';

const ID = 'ab'.repeat(16);

/** A backup's end of tunnels to a program that says `said`, and is lost then. */
async function withTunnels(
  said: string,
  work: (open: (rehearsal: string) => Promise<{ status: number; socket: Socket | undefined }>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-tunnels-'));
  const path = join(folder, 'main.sock');
  const program = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.write(said, () => socket.destroy()));
  }).listen(path);
  await once(program, 'listening');
  const tunnels = new RehearsalTunnels({
    socketOf: ({ rehearsal }) => (rehearsal === ID ? path : join(folder, 'nobody.sock')),
    log: createLog('test', 'silent'),
  });
  const backup = createHttp().listen(0, '127.0.0.1');
  backup.on('upgrade', (asked, link: Socket, head: Buffer) => tunnels.take(asked, link, head));
  await once(backup, 'listening');
  try {
    await work(async (rehearsal) => {
      const asked = request({
        host: '127.0.0.1',
        port: (backup.address() as AddressInfo).port,
        path: `${REHEARSAL_TUNNEL_PATH}?rehearsal=${rehearsal}&to=main`,
        headers: { connection: 'Upgrade', upgrade: REHEARSAL_TUNNEL_PROTOCOL },
      });
      asked.end();
      return await new Promise((resolve, reject) => {
        asked.once('upgrade', (answer, socket) => resolve({ status: answer.statusCode ?? 0, socket }));
        asked.once('response', (answer) => resolve({ status: answer.statusCode ?? 0, socket: undefined }));
        asked.once('error', reject);
      });
    });
  } finally {
    tunnels.close();
    backup.close();
    program.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a program that is not there is said before the tunnel stands', async () => {
  await withTunnels('', async (open) => assert.equal((await open('cd'.repeat(16))).status, 503));
});

test('when the program is lost, the tunnel ends behind its last byte, and says nothing in its place', async () => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf';
  await withTunnels(half, async (open) => {
    const { status, socket } = await open(ID);
    assert.ok(socket);
    assert.equal(status, 101);
    // More than its socket takes while it does not read: what is left over breaks the connection at our end.
    for (let sent = 0; sent < 64; sent += 1) socket.write(Buffer.alloc(65_536));
    socket.on('error', () => socket.destroy());
    const read = await text(socket).catch((error: Error) => error.message);
    assert.doesNotMatch(read, /503/);
  });
});
