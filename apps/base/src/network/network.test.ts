import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { hostServers, hostSynchronised } from './network-host-time.ts';
import { ntpQuestion, readNtpAnswer } from './network-ntp-packet.ts';
import { askServer, chooseSample, parseServer, type NtpSample } from './network-ntp-query.ts';
import { Clock, networkMigrations } from './network.ts';

const NTP_TO_UNIX_SECONDS = 2_208_988_800;
const cookie = Buffer.from('12345678');

/** A server's good answer to `question` at `timeMs`, to be damaged by tests. */
function answerTo(question: Buffer, timeMs: number): Buffer {
  const packet = Buffer.alloc(48);
  packet[0] = (4 << 3) | 4;
  packet[1] = 2;
  question.copy(packet, 24, 40, 48);
  for (const offset of [32, 40]) {
    packet.writeUInt32BE((Math.floor(timeMs / 1000) + NTP_TO_UNIX_SECONDS) % 2 ** 32, offset);
    packet.writeUInt32BE(Math.floor(((timeMs % 1000) / 1000) * 2 ** 32), offset + 4);
  }
  return packet;
}

/** A time server of this test: answers with what `answer` makes. */
async function timeServer(
  answer: (question: Buffer) => Buffer | undefined,
): Promise<{ name: string; asked: () => number } & AsyncDisposable> {
  const socket = dgram.createSocket('udp4');
  let asked = 0;
  socket.on('message', (question, from) => {
    asked++;
    const packet = answer(question);
    if (packet !== undefined) socket.send(packet, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  return {
    name: `127.0.0.1:${port}`,
    asked: () => asked,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

describe('an answer of NTP (RFC 4330, 5)', () => {
  const timeMs = Date.UTC(2026, 10, 21, 8, 0, 0, 500);

  it('is taken when it answers this very question, across the end of the era too', () => {
    for (const ms of [timeMs, Date.UTC(2036, 1, 8), Date.UTC(2090, 0, 1)]) {
      const reading = readNtpAnswer(answerTo(ntpQuestion(cookie), ms), cookie);
      assert.equal(reading.kind === 'time' && Math.abs(reading.sentMs - ms) < 1, true);
    }
  });

  it('tells nothing about our own clock in the question', () => {
    assert.deepEqual(ntpQuestion(cookie).subarray(1, 40), Buffer.alloc(39));
  });

  for (const [name, damage] of [
    ['short', (packet: Buffer) => packet.subarray(0, 47)],
    ["a client's", (packet: Buffer) => packet.fill((4 << 3) | 3, 0, 1)],
    ['of another version', (packet: Buffer) => packet.fill((2 << 3) | 4, 0, 1)],
    ['to another question', (packet: Buffer) => packet.fill(0, 24, 25)],
    ['of a server that is not synchronised', (packet: Buffer) => packet.fill((3 << 6) | (4 << 3) | 4, 0, 1)],
    ['of stratum 16', (packet: Buffer) => packet.fill(16, 1, 2)],
    ['too far from its source', (packet: Buffer) => packet.fill(0x7f, 8, 9)],
    ['without a time', (packet: Buffer) => packet.fill(0, 40, 48)],
    ['sent before it was received', (packet: Buffer) => packet.fill(0, 44, 48)],
  ] as const)
    it(`is refused when it is ${name}`, () => {
      assert.equal(readNtpAnswer(damage(answerTo(ntpQuestion(cookie), timeMs)), cookie).kind, 'refused');
    });
});

describe('asking time servers', () => {
  it('gives offset and delay, and ignores what strangers send meanwhile', async () => {
    await using server = await timeServer((question) => answerTo(question, Date.now() + 60_000));
    const outcome = await askServer(server.name, Date.now, 1_000);
    assert.equal(outcome.kind, 'time');
    assert.ok(outcome.kind === 'time' && Math.abs(outcome.offsetMs - 60_000) < 1_000 && outcome.delayMs < 2_000);
  });

  it('asks once more when an answer is lost, and says why there is none', async () => {
    let isFirst = true;
    await using lossy = await timeServer((question) => {
      if (!isFirst) return answerTo(question, Date.now());
      isFirst = false;
      return undefined;
    });
    assert.equal((await askServer(lossy.name, Date.now, 300)).kind, 'time');
    await using liar = await timeServer((question) => answerTo(question, Date.now()).fill(0, 24, 32));
    assert.deepEqual(await askServer(liar.name, Date.now, 50), {
      kind: 'silent',
      server: liar.name,
      reason: 'not the answer to this question',
    });
    const missing = await askServer('no-such-server.invalid', Date.now, 2_000);
    assert.equal(missing.kind, 'silent');
  });

  it('goes by the servers that agree, and by the surest of them', () => {
    const sample = (server: string, offsetMs: number, distanceMs: number): NtpSample => ({
      kind: 'time',
      server,
      offsetMs,
      delayMs: 1,
      distanceMs,
    });
    const samples = [sample('liar', 90_000, 1), sample('far', 5, 40), sample('near', 1, 10)];
    assert.equal(chooseSample(samples)?.server, 'near');
    assert.equal(chooseSample([]), undefined);
  });

  it('takes names and addresses with or without a port, and nothing else', () => {
    assert.deepEqual(parseServer('time.example.org'), { host: 'time.example.org', port: 123 });
    assert.deepEqual(parseServer('[2001:db8::1]:1123'), { host: '2001:db8::1', port: 1123 });
    for (const wrong of ['', 'a b', 'http://x', 'x:0', 'x:70000', '-x', '[x]', 'x/y'])
      assert.equal(parseServer(wrong), undefined, wrong);
  });
});

describe("the machine's own time service", () => {
  it('lends its servers', () => {
    const root = mkdtempSync(join(tmpdir(), 'bascule-host-time-'));
    mkdirSync(join(root, 'etc/chrony/sources.d'), { recursive: true });
    mkdirSync(join(root, 'etc/systemd'), { recursive: true });
    writeFileSync(
      join(root, 'etc/chrony/chrony.conf'),
      '# server no.example\npool 2.debian.pool.ntp.org iburst\nserver 10.0.0.1\n',
    );
    writeFileSync(join(root, 'etc/chrony/sources.d/own.sources'), 'server ntp.example.org\n');
    writeFileSync(join(root, 'etc/systemd/timesyncd.conf'), '[Time]\n#NTP=\nNTP=10.0.0.1 10.0.0.2\nFallbackNTP=10.0.0.3\n');
    assert.deepEqual(hostServers(root), ['2.debian.pool.ntp.org', '10.0.0.1', 'ntp.example.org', '10.0.0.2']);
    assert.equal(hostSynchronised(root), null);
    mkdirSync(join(root, 'run/systemd/timesync'), { recursive: true });
    assert.equal(hostSynchronised(root), false);
    writeFileSync(join(root, 'run/systemd/timesync/synchronized'), '');
    assert.equal(hostSynchronised(root), true);
    rmSync(root, { recursive: true });
  });
});

describe('the clock of the box', () => {
  const dayMs = 86_400_000;
  const log = createLog('test', 'silent');

  function bench(servers: string[] = []) {
    const test = openTestStore(networkMigrations);
    const time = { systemMs: Date.UTC(2026, 0, 10) };
    const open = () =>
      new Clock({
        store: test.store,
        log,
        systemNow: () => time.systemMs,
        hostServers: () => servers,
        answerWaitMs: 200,
        checkPauseMs: 0,
      });
    return { test, time, open, clock: open() };
  }

  it('never falls, and says that the system clock is behind, after a restart too', async () => {
    const { test, time, open, clock } = bench();
    const startMs = time.systemMs;
    assert.equal(clock.state().state, 'unchecked');
    await clock.check();
    assert.equal(clock.now(), startMs);
    time.systemMs -= dayMs;
    assert.equal(clock.now(), startMs);
    assert.deepEqual(
      [clock.state().state, clock.state().systemMs, clock.state().effectiveMs],
      ['behind', startMs - dayMs, startMs],
    );
    clock.close();
    assert.equal(open().now(), startMs);
    test[Symbol.dispose]();
  });

  it('shows how far off the servers say it is', async () => {
    await using server = await timeServer((question) => answerTo(question, Date.UTC(2026, 0, 10) + 5_000));
    const { test, time, clock } = bench([server.name]);
    await clock.check();
    assert.equal(clock.state().state, 'off');
    assert.ok(Math.abs((clock.state().offsetMs ?? 0) - 5_000) < 1_000);
    assert.equal(clock.state().server, server.name);
    assert.equal(clock.state().checkedAtMs, time.systemMs);
    clock.change(testContext, { isOn: false, servers: [] });
    await clock.check();
    assert.equal(clock.state().state, 'switched-off');
    assert.equal(clock.state().offsetMs, null);
    test[Symbol.dispose]();
  });

  it('is not bound by what a clock that ran ahead has shown', async () => {
    const trueMs = Date.UTC(2026, 0, 10);
    await using server = await timeServer((question) => answerTo(question, trueMs));
    const { test, time, open, clock } = bench([server.name]);
    time.systemMs = trueMs + 1000 * dayMs;
    assert.equal(clock.now(), time.systemMs);
    await clock.check();
    clock.close();
    time.systemMs = trueMs;
    assert.equal(clock.now(), trueMs);
    assert.equal(open().now(), trueMs);
    test[Symbol.dispose]();
  });

  it('goes by the system clock again when somebody at the machine says that the later time was wrong', async () => {
    const { test, time, open, clock } = bench();
    const trueMs = time.systemMs;
    assert.throws(() => clock.acceptSystemTime(testContext), { code: 'CLOCK_NOT_BEHIND' });
    time.systemMs = trueMs + 1000 * dayMs;
    await clock.check();
    clock.close();
    time.systemMs = trueMs;
    const later = open();
    assert.equal(later.state().state, 'behind');
    later.acceptSystemTime(testContext);
    assert.deepEqual([later.now(), later.state().state], [trueMs, 'unchecked']);
    assert.equal(open().now(), trueMs);
    time.systemMs = trueMs - dayMs;
    assert.equal(later.now(), trueMs);
    test[Symbol.dispose]();
  });

  it('leaves a server alone that says so (RFC 4330, 8)', async () => {
    const kiss = (question: Buffer): Buffer => {
      const packet = answerTo(question, Date.now()).fill(0, 1, 2);
      packet.write('DENY', 12, 'latin1');
      return packet;
    };
    await using server = await timeServer(kiss);
    const { test, clock } = bench([server.name]);
    await clock.check();
    assert.equal(clock.state().state, 'unreachable');
    clock.change(testContext, { isOn: true, servers: [server.name] });
    await clock.check();
    assert.equal(server.asked(), 2);
    await clock.check();
    assert.equal(server.asked(), 2);
    test[Symbol.dispose]();
  });

  it('refuses what is no server', () => {
    const { test, clock } = bench();
    assert.throws(() => clock.change(testContext, { isOn: true, servers: ['ok.example', 'x y'] }), {
      code: 'NTP_SERVER_INVALID',
      field: 'body.servers.1',
    });
    test[Symbol.dispose]();
  });
});
