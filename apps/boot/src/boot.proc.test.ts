import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isRunning } from '@bascule/core/process-identity.ts';
import { BootBench, exchange, isRoot } from '../test/boot-harness.ts';

describe('boot', { concurrency: false }, () => {
  it('starts base with the listening socket as descriptor 3 and writes boot.json', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    const base = await boot.ask();
    const state = boot.state();
    assert.deepEqual(base.args, [
      '--home',
      bench.home(),
      '--listen',
      '127.0.0.1',
      '--port',
      String(state.port),
      '--name',
      'localhost',
    ]);
    assert.equal(state.base?.pid, base.pid);
    assert.equal(state.pid, boot.child.pid);
    assert.equal(state.name, 'localhost');
    assert.ok(Math.abs(state.startedAtMs - Date.now()) < 60_000);
    const again = await boot.ask();
    assert.deepEqual(
      again.processes.processes.map(({ name }) => name),
      isRoot ? ['boot', 'base', 'helper'] : ['boot', 'base'],
    );
    assert.equal(again.processes.separated, isRoot);
    assert.equal(base.uid === 0, false);
  });

  it('keeps the port while base is killed and started again: connections wait and none is refused', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    const first = await boot.ask();
    const { port } = boot.state();
    for (let round = 0; round < 3; round++) {
      const before = boot.state().base!.pid;
      process.kill(before, 'SIGKILL');
      // All of these arrive while there is no base, or at the old one in its last moment; only the latter may be cut.
      const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => exchange(port, 'who')));
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected' && /REFUSED/.test(String(outcome.reason)));
      assert.deepEqual(refused, []);
      const answered = outcomes
        .filter((outcome) => outcome.status === 'fulfilled')
        .map((outcome) => JSON.parse(outcome.value).pid as number);
      assert.ok(answered.length > 0 && answered.every((pid) => pid !== first.pid));
    }
    assert.equal(boot.state().base?.pid, (await boot.ask()).pid);
  });

  it('refuses a second start on the same home, with code 3', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    const { pid, port } = await boot.started();
    const second = bench.start();
    assert.equal(await second.exitCode(), 3);
    assert.equal(second.errors, `bascule: already running, PID ${pid}, https://localhost:${port}\n`);
    assert.equal(boot.state().pid, pid);
  });

  it('lets one of many starts at the same moment win', async () => {
    using bench = new BootBench();
    mkdirSync(join(bench.home(), 'run'), { recursive: true });
    // A stale file is there too: they all find it and move it aside.
    writeFileSync(
      join(bench.home(), 'run', 'boot.json'),
      JSON.stringify({ pid: 4_000_000, startTicks: '1', machineStart: 'x', base: null }),
    );
    const boots = Array.from({ length: 5 }, () => bench.start());
    const running = new Set(boots);
    await Promise.all(
      boots.map(async (boot) => {
        const code = await Promise.race([
          boot.exitCode(),
          boot.started().then(
            () => 'runs' as const,
            () => boot.child.exitCode,
          ),
        ]);
        if (code === 'runs') return;
        assert.equal(code, 3);
        running.delete(boot);
      }),
    );
    assert.equal(running.size, 1);
  });

  it('takes no notice of a boot.json whose process is another one now', async () => {
    using bench = new BootBench();
    mkdirSync(join(bench.home(), 'run'), { recursive: true });
    writeFileSync(
      join(bench.home(), 'run', 'boot.json'),
      JSON.stringify({ pid: process.pid, startTicks: '1', machineStart: 'x', base: null }),
    );
    assert.equal((await bench.start().started()).base !== null, true);
  });

  it('starts again after SIGKILL on the same port, and ends the base that was left', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    await boot.ask();
    const { port, base } = boot.state();
    // A stopped base does not notice that boot died, and holds the port.
    process.kill(base!.pid, 'SIGSTOP');
    boot.child.kill('SIGKILL');
    await once(boot.child, 'exit');
    const next = bench.start({ port });
    assert.notEqual((await next.ask()).pid, base!.pid);
    assert.equal(isRunning(base!), false);
  });

  it('says that the port is taken and changes nothing', async () => {
    using bench = new BootBench();
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const boot = bench.start({ port });
    assert.equal(await boot.exitCode(), 1);
    assert.equal(boot.errors, `bascule: 127.0.0.1 port ${port} is taken by another program; choose another with --port.\n`);
    assert.equal(existsSync(bench.home()), false);
    taken.close();
  });

  it('says that an address is not of this machine', async () => {
    using bench = new BootBench();
    const boot = bench.start({ listen: '192.0.2.1' });
    assert.equal(await boot.exitCode(), 1);
    assert.match(boot.errors, /^bascule: 192\.0\.2\.1 is not an address of this machine.*\n$/);
  });

  it('stops on SIGTERM: tells base, removes boot.json, exits with 0', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    await boot.ask();
    const { base } = boot.state();
    boot.child.kill('SIGTERM');
    assert.equal(await boot.exitCode(), 0);
    assert.equal(isRunning(base!), false);
    assert.equal(existsSync(join(bench.home(), 'run', 'boot.json')), false);
    assert.match(readFileSync(join(bench.home(), 'log', 'appliance.log'), 'utf8'), /"event":"boot.stopped"/);
  });

  it('kills a base that does not stop when told a second time', async () => {
    using bench = new BootBench();
    const boot = bench.start({ mode: 'stubborn' });
    await boot.ask();
    boot.child.kill('SIGINT');
    const log = join(bench.home(), 'log', 'appliance.log');
    while (!readFileSync(log, 'utf8').includes('boot.stopping')) await new Promise(setImmediate);
    boot.child.kill('SIGINT');
    assert.equal(await boot.exitCode(), 0);
  });

  it('stops when base asks for it', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    const exit = boot.exitCode();
    await boot.ask('stop-appliance').catch(() => undefined);
    assert.equal(await exit, 0);
  });

  it("passes on base's own sentence when it cannot work, and ends with 1", async () => {
    using bench = new BootBench();
    const boot = bench.start({ mode: 'fails' });
    assert.equal(await boot.exitCode(), 1);
    assert.equal(boot.errors, 'bascule: The database is from a newer version.\n');
  });

  it('gives up on a base that never works', async () => {
    using bench = new BootBench();
    const boot = bench.start({ mode: 'crashes' });
    assert.equal(await boot.exitCode(), 1);
    assert.match(boot.errors, /^bascule: base did not start in 5 tries; .*appliance\.log says why\.\n$/);
  });

  it('uses the socket that systemd passes', async () => {
    using bench = new BootBench();
    const socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
    const { port } = socket.address();
    const command = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`;
    const child = spawn('sh', ['-c', command, bench.node, ...bench.args({ port })], {
      stdio: ['ignore', 'inherit', 'inherit', socket.fd()],
    });
    try {
      let answer: { args: string[]; listenFds?: string } | undefined;
      while (answer === undefined) answer = await exchange(port, 'who').then(JSON.parse, () => undefined);
      assert.ok(answer.args.includes(String(port)));
      assert.equal(answer.listenFds, undefined);
    } finally {
      child.kill('SIGTERM');
      await once(child, 'exit');
      socket.close();
    }
  });

  it('keeps the log and run directories to the one who started it', async () => {
    using bench = new BootBench();
    const boot = bench.start();
    await boot.ask();
    const owner = (path: string) => [statSync(join(bench.home(), path)).uid, statSync(join(bench.home(), path)).mode & 0o777];
    const uid = process.getuid?.() ?? -1;
    assert.deepEqual(owner('log'), [uid, 0o700]);
    assert.deepEqual(owner('log/appliance.log'), [uid, 0o600]);
    assert.deepEqual(owner('run'), [uid, isRoot ? 0o755 : 0o700]);
  });
});
