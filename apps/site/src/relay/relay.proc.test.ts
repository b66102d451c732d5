import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { readFacts } from '@bascule/recording/reader.ts';
import { encodeExit, encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { RelayHost, viewerOf } from './relay-host.ts';
import { dataOf, ScriptedAgent, seeded, sha256, until } from './testing.ts';

test(
  'SIGKILL of the relay, again and again: nothing lost, doubled or reordered, either way (I1, I2, wire 4.2-4.6)',
  { timeout: 90_000 },
  async (t) => {
    const seed = Number(process.env['BASCULE_SEED'] ?? Date.now() % 1e9);
    t.diagnostic(`seed ${seed}`);
    const random = seeded(seed);
    const host = new RelayHost();
    const { cert, key } = await host.start();
    const agent = new ScriptedAgent(
      async () =>
        new WebSocket('wss://link.bascule.internal/data', {
          perMessageDeflate: false,
          createConnection: () =>
            connectTls({
              host: '127.0.0.1',
              port: host.port,
              servername: 'link.bascule.internal',
              ca: host.authority,
              ALPNProtocols: ['bascule-data/1'],
              cert,
              key,
            }),
        }),
      () => host.ticket('agent'),
    );
    agent.frameBytes = () => 1 + Math.floor(random() * 3000);
    agent.connect();
    const seen: Uint8Array[] = [];
    const viewer = viewerOf(
      () => host,
      (bytes) => seen.push(bytes),
    );
    viewer.connect();
    const produced: Buffer[] = [];
    const typed: Buffer[] = [];
    try {
      // One that comes later would begin with a screen.
      await until(() => viewer.status === 'live', 'the viewer to be there');
      for (let round = 0; round < 400; round++) {
        const bytes = Buffer.alloc(1 + Math.floor(random() * 6000), `${round} `);
        produced.push(bytes);
        agent.append(encodeRecord(OutputRecord.data, bytes));
        const keys = Buffer.from(`${round};`);
        typed.push(keys);
        assert.ok(viewer.send(keys));
        if (round % 80 === 40) host.kill();
        if (random() < 0.02) agent.drop();
        if (random() < 0.02) viewer.dropLink();
        await new Promise((resolve) => setTimeout(resolve, random() * 8));
      }
      await until(() => viewer.unconfirmedInput().bytes === 0, 'all input confirmed');
      await until(
        () => seen.reduce((sum, bytes) => sum + bytes.length, 0) >= Buffer.concat(produced).length,
        'the viewer to have seen all',
      );
      agent.append(encodeExit(7, 0), true);
      await until(() => host.messages.some((message) => message.kind === 'session-ended'), 'session-ended');
      await until(() => viewer.status === 'ended', 'the viewer to hear of the end');
      assert.equal(host.restarts, 5);
      const file = join(host.paths.recordings, 's.bsr');
      assert.equal(sha256(await dataOf(file)), sha256(Buffer.concat(produced)), 'the recording holds what the agent produced');
      assert.equal(sha256(Buffer.concat(agent.keys.get(viewer.origin)!)), sha256(Buffer.concat(typed)), 'each key exactly once');
      assert.equal(sha256(Buffer.concat(seen)), sha256(Buffer.concat(produced)), 'the viewer saw every byte once');
      const facts = await readFacts(file);
      const ended = host.messages.find((message) => message.kind === 'session-ended')!;
      assert.deepEqual([ended.reason, ended.exitCode, ended.headSha256], ['process-exited', 7, facts?.headSha256]);
      assert.equal(facts?.end?.outBytes, agent.output.end);
      assert.equal(readFileSync(file).length, ended.recordingBytes);
    } finally {
      viewer.close();
      agent.close();
      await host.close();
    }
  },
);
