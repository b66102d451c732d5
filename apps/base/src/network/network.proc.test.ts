import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createLog } from '@bascule/log/log.ts';
import { openTestStore } from '@bascule/store/testing.ts';
import { Clock, networkMigrations } from './network.ts';
import { askServer } from './network-ntp-query.ts';

const CHRONYD = '/usr/sbin/chronyd';
const START_TRIES = 100;
const START_PAUSE_MS = 50;

async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, 'close');
  return port;
}

/** chrony as a server on a port of its own. `-x`: it never touches the clock of this machine. */
async function startChrony(lines: string[]): Promise<{ server: string } & AsyncDisposable> {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-chrony-'));
  const port = await freePort();
  const configuration = join(directory, 'chrony.conf');
  const basics = [
    `port ${port}`,
    'bindaddress 127.0.0.1',
    'allow 127.0.0.1',
    'cmdport 0',
    'bindcmdaddress /',
    `pidfile ${directory}/pid`,
  ];
  writeFileSync(configuration, [...basics, ...lines, ''].join('\n'));
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : ['-U'];
  const child = spawn(CHRONYD, ['-x', '-d', ...user, '-f', configuration], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const server = `127.0.0.1:${port}`;
  const end = async (): Promise<void> => {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGTERM')) await gone;
    rmSync(directory, { recursive: true, force: true });
  };
  for (let tries = 0; ; tries++) {
    const outcome = await askServer(server, Date.now, 100);
    // Also a server that is not synchronised answers: it runs.
    if (outcome.kind === 'time' || (outcome.kind === 'silent' && outcome.reason.includes('not synchronised'))) break;
    if (child.exitCode !== null || tries > START_TRIES) {
      await end();
      throw new Error(`chrony does not answer: ${JSON.stringify(outcome)} ${said}`);
    }
    await wait(START_PAUSE_MS);
  }
  return { server, [Symbol.asyncDispose]: end };
}

describe('the clock beside a real time server (chrony)', () => {
  it('is synchronised with its own machine, and off by what the system clock is off', async () => {
    await using chrony = await startChrony(['local stratum 10']);
    using test = openTestStore(networkMigrations);
    let offMs = 0;
    const systemNow = (): number => Date.now() + offMs;
    const clock = new Clock({
      store: test.store,
      log: createLog('test', 'silent'),
      systemNow,
      hostServers: () => [chrony.server],
      checkPauseMs: 0,
    });
    await clock.check();
    const { state, server, offsetMs, delayMs } = clock.state();
    assert.deepEqual([state, server], ['synchronised', chrony.server]);
    assert.ok(Math.abs(offsetMs ?? 1_000) < 1_000 && (delayMs ?? -1) >= 0);
    offMs = 3_600_000;
    await clock.check();
    assert.equal(clock.state().state, 'off');
    assert.ok(Math.abs((clock.state().offsetMs ?? 0) + offMs) < 1_000);
  });

  it('believes no server that is not synchronised', async () => {
    await using chrony = await startChrony([]);
    assert.deepEqual(await askServer(chrony.server, Date.now, 500), {
      kind: 'silent',
      server: chrony.server,
      reason: 'the server is not synchronised',
    });
  });
});
