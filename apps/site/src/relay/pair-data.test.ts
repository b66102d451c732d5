import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { encodeOutput } from '@bascule/wire/frames.ts';
import { newPairKey, openWay, pairOrders } from './pair-testing.ts';
import { RawLink, TestRelay } from './test-relay.ts';
import { sha256, until } from './testing.ts';

async function openPair() {
  const source = await TestRelay.open();
  const follower = await TestRelay.open();
  const keys = [await newPairKey('a'), await newPairKey('b')] as const;
  const way = await openWay((socket, head) => source.relay.takePairLink(socket, head));
  const orders = pairOrders(...keys, way);
  return {
    source,
    follower,
    way,
    orders,
    async close() {
      way.close();
      await source.close();
      await follower.close();
    },
  };
}

test('a growing recording is on the follower as it grows, byte for byte (I2)', async () => {
  const pair = await openPair();
  const { source, follower, orders } = pair;
  try {
    source.openSession();
    await source.message('session-opened');
    source.relay.handle(orders.source);
    follower.relay.handle(orders.follower);
    const agent = await RawLink.agent(source, { keeps: true });
    await agent.frame(0x02);
    let offset = 0;
    for (let round = 0; round < 50; round++) {
      const record = encodeRecord(OutputRecord.data, Buffer.alloc(1 + ((round * 997) % 5000), `${round} `));
      agent.send(encodeOutput(offset, Date.now() * 1000, record));
      offset += record.length;
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await until(() => agent.frames.some((frame) => frame.type === 0x04 && frame.offset === offset), 'all on both disks');
    assert.equal(sha256(readFileSync(follower.file)), sha256(readFileSync(source.file)));
    assert.ok(!existsSync(join(follower.directory, 'archive')));
  } finally {
    await pair.close();
  }
});
