import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { connect } from 'node:tls';
import { test } from 'node:test';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { startPair, type TestAppliance } from '../failover/testing.ts';

test(
  'clients that came before the last contact with the primary do not count as having lost it, however lately they came',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    await comeTo(other, '127.0.0.2');
    const { watch } = other.pair.parts;
    assert.ok(await watch.ask());
    one.cut(true);
    await waitUntil('the primary is lost', () => !watch.isReachable);
    assert.equal((await other.program.failover.state()).peerSeenBy?.clientsHere, 0);
    await comeTo(other, '127.0.0.3');
    assert.equal((await other.program.failover.state()).peerSeenBy?.clientsHere, 1);
  },
);

/** A client without a key, known by its address: asks for a control link, and is answered. */
async function comeTo({ endpoint }: TestAppliance, localAddress: string): Promise<void> {
  const from = createConnection({ ...endpoint, localAddress });
  const socket = connect({ socket: from, ALPNProtocols: [LINK_ALPN], rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.write(
    'GET /link HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await once(socket, 'data');
  socket.destroy();
}
