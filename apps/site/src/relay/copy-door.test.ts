import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { CopyDoor } from './copy-door.ts';
import { newPairKey, openWay } from './pair-testing.ts';
import { dialPeer } from './pair-tls.ts';
import { until } from './testing.ts';

test('whoever holds connections without a handshake takes no place of the peer', async (t) => {
  const [source, follower] = await Promise.all([newPairKey('a'), newPairKey('b')]);
  const tls = { ...source, peerKeySha256: follower.sha256 };
  const door = new CopyDoor({ tls, role: 'source', log: createLog('test') }, { request: () => undefined, live: () => undefined });
  const way = await openWay((socket, head) => door.take(socket, head));
  t.after(() => {
    door.close();
    way.close();
  });
  let held = 40;
  for (let count = held; count > 0; count--) {
    const socket = connect({ port: way.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    socket.on('error', () => undefined);
    socket.once('close', () => (held -= 1)).resume();
    await once(socket, 'connect');
    // The beginning of a handshake that never goes on.
    socket.write(Buffer.of(0x16));
    t.after(() => socket.destroy());
  }
  const { signal } = new AbortController();
  const peer = await dialPeer({ host: '127.0.0.1', port: way.port }, { ...follower, peerKeySha256: source.sha256 }, signal);
  assert.ok(!peer.destroyed);
  await until(() => held <= 8, 'the stranger to hold a few connections at the most');
  peer.destroy();
});
