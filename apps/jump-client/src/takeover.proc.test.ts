/** A shell of a real Jump Client whose appliance is killed at a seeded moment, and whose session the other appliance of the pair takes over (I1, I2). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '@bascule/log/log.ts';
import type { FromClient } from '@bascule/protocol/control-link.ts';
import { readFacts } from '@bascule/recording/reader.ts';
import { newPairKey, pairOrders } from '../../site/src/relay/pair-testing.ts';
import { RelayHost, viewerOf } from '../../site/src/relay/relay-host.ts';
import { dataOf, SESSION, seeded, sha256, until } from '../../site/src/relay/testing.ts';
import { Sessions } from './sessions.ts';

const KEYS = 600;
const LINES = 400;
/** Of each mode; more by hand and in the runs of faults. */
const TAKEOVERS = Number(process.env['BASCULE_TAKEOVERS'] ?? 1);
const SEED = Number(process.env['BASCULE_SEED'] ?? Date.now() % 1e9);

/** A program that notes what it got and what it wrote. */
function farProgram(): { shell: string; bytes(name: 'received' | 'produced'): Buffer; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-far-'));
  const shell = join(directory, 'account');
  writeFileSync(
    shell,
    `#!/bin/sh
stty raw -echo
cd ${directory}
{
  printf 'START'
  ( i=0; while [ $i -lt ${LINES} ]; do printf '<%08d of the far machine, to have something under way>' $i; i=$((i + 1)); [ $((i % 8)) -ne 0 ] || sleep 0.01; done ) &
  dd bs=1 count=${KEYS} status=none | tee received
  wait
  printf 'DONE'
} | tee produced
`,
  );
  chmodSync(shell, 0o755);
  return {
    shell,
    bytes: (name) => readFileSync(join(directory, name)),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The network between the two appliances, which may be cut. */
async function wayTo(port: number) {
  let isOpen = true;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    if (!isOpen) return void near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
    close() {
      this.cut();
      server.close();
    },
  };
}

for (const mode of ['async', 'sync'] as const) {
  for (let run = 0; run < TAKEOVERS; run++) {
    test(
      `${mode}: the appliance is killed and the other goes on: no byte lost, doubled or reordered, either way`,
      {
        timeout: 90_000,
      },
      async (t) => {
        const seed = SEED + run;
        t.diagnostic(`seed ${seed}`);
        await takeOver(mode, seeded(seed));
      },
    );
  }
}

async function takeOver(mode: 'async' | 'sync', random: () => number): Promise<void> {
  const far = farProgram();
  const [primary, backup] = [new RelayHost(), new RelayHost()];
  primary.restartsItself = false;
  const credentials = await primary.start();
  await backup.start({ site: credentials.identity, hasSession: false });
  const way = await wayTo(primary.pairPort);
  const orders = pairOrders(await newPairKey('a'), await newPairKey('b'), way);
  primary.order({ ...orders.source, mode });
  backup.order(orders.follower);
  let now = primary;
  process.env['BASCULE_SHELL'] = far.shell;
  const sessions: Sessions = new Sessions({
    target: () => ({ host: '127.0.0.1', port: now.port, proxy: undefined }),
    tls: () => ({ authority: primary.authority, key: credentials.key, certificate: credentials.cert }),
    send: (message: FromClient) => {
      if (message.kind === 'ticket-request')
        now.ticket('agent').then(
          (ticket) => sessions.received({ kind: 'ticket', session: SESSION, ticket }),
          () => {},
        );
      return true;
    },
    log: createLog('test', 'silent'),
  });
  const seen: Uint8Array[] = [];
  const viewer = viewerOf(
    () => now,
    (bytes) => seen.push(bytes),
  );
  const seenBytes = () => seen.reduce((sum, bytes) => sum + bytes.length, 0);
  try {
    sessions.linkAccepted(false);
    const size = { cols: 80, rows: 24 };
    const program = { kind: 'shell' as const, size, term: 'xterm', recordInput: false, giveUpAfterMs: 60_000 };
    viewer.connect();
    await until(() => viewer.status === 'live', 'the viewer to be there');
    sessions.received({ kind: 'session-open', session: SESSION, program, ticket: await primary.ticket('agent') });
    await until(() => seenBytes() > 0, 'the program to have begun');
    const typed: Buffer[] = [];
    const killAt = Math.floor(random() * KEYS * 0.8);
    // Only where nothing waits for the other appliance: then the client alone has what comes until the end of the first one.
    const cutAt = mode === 'async' && random() < 0.5 ? Math.floor(killAt * random()) : undefined;
    for (let key = 0; key < KEYS; key++) {
      const bytes = Buffer.from(String.fromCharCode(33 + (key % 90)));
      typed.push(bytes);
      assert.ok(viewer.send(bytes));
      if (key === cutAt) way.cut();
      if (key === killAt) {
        primary.kill();
        setTimeout(() => {
          now = backup;
          backup.takeOver({ kind: 'pair', role: 'none' });
          sessions.linkAccepted(true);
        }, random() * 100);
      }
      await delay(random() * 3);
    }
    // With its last key the program ends, which may come before that key is confirmed.
    const ended = () => backup.messages.find((message) => message.kind === 'session-ended');
    await until(() => ended() !== undefined, 'the session to end at the backup');
    await until(() => viewer.status === 'ended', 'the viewer to hear of it');
    const produced = sha256(far.bytes('produced'));
    const file = join(backup.paths.recordings, 's.bsr');
    const facts = await readFacts(file);
    assert.deepEqual(facts?.gaps, []);
    assert.equal(sha256(await dataOf(file)), produced, 'the recording holds what the program wrote');
    assert.equal(sha256(Buffer.concat(seen)), produced, 'the viewer saw every byte once');
    assert.equal(far.bytes('received').toString(), Buffer.concat(typed).toString(), 'the program got each key once');
    const end = ended();
    assert.deepEqual([end?.reason, end?.headSha256], ['process-exited', facts?.headSha256]);
  } finally {
    viewer.close();
    await sessions.endAll(0);
    sessions.close();
    way.close();
    await Promise.all([primary.close(), backup.close()]);
    far.remove();
  }
}
