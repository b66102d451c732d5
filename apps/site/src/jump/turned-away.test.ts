import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { TestSite } from './testing.ts';
import { TurnedAwayLinks } from './turned-away.ts';

test('a client that comes while the copy cannot be read is cut, and the standby goes on', async () => {
  const site = await TestSite.open();
  let isBroken = true;
  const links = await TurnedAwayLinks.open({
    identity: site.identity,
    keysDir: join(site.directory, 'keys'),
    reader: () => {
      if (isBroken) throw new Error('disk I/O error');
      return undefined;
    },
    log: createLog('test', 'silent'),
    now: Date.now,
  });
  const server = createServer({ pauseOnConnect: true }, (socket) => links.acceptLink(socket, new Uint8Array()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const come = async () => {
    const socket = connect({ host: '127.0.0.1', port, ALPNProtocols: [LINK_ALPN], rejectUnauthorized: false });
    socket.on('error', () => socket.destroy());
    await once(socket, 'secureConnect');
    const asked =
      'GET /link HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    socket.write(`${asked}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`);
    let read = '';
    socket.on('data', (piece: Buffer) => {
      read += piece.toString('latin1');
      if (read.includes('refused')) socket.destroy();
    });
    await once(socket, 'close');
    return read;
  };
  try {
    assert.doesNotMatch(await come(), /refused/);
    isBroken = false;
    assert.match(await come(), /"code":"busy"/);
  } finally {
    server.close();
    links.close();
    await site.close();
  }
});
