/** The sockets of the front door: bound here, or passed by systemd's own program. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { describe, it } from 'node:test';
import { BootBench, exchange } from '../test/boot-harness.ts';
import { addressOf } from './listening.ts';

const ACTIVATE = '/usr/bin/systemd-socket-activate';

interface Said {
  args: string[];
  httpPort?: string;
  listenFds?: string;
}

/** A port that nobody had a moment ago. */
function freePort(): number {
  const socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  const { port } = socket.address();
  socket.close();
  return port;
}

describe('where a socket is bound', () => {
  it('is read from the words of the kernel', () => {
    assert.equal(addressOf('0100007F'), '127.0.0.1');
    assert.equal(addressOf('00000000'), '0.0.0.0');
    assert.equal(addressOf('00000000000000000000000000000000'), '::');
    assert.equal(addressOf('00000000000000000000000001000000'), '::1');
    assert.equal(addressOf('B80D01200000000000000000010000FF'), '2001:db8::ff00:1');
  });
});

describe('the socket for plain http', () => {
  it('is opened by boot and listened on by base, also by the next one', async () => {
    using bench = new BootBench();
    const httpPort = freePort();
    const boot = bench.start({ httpPort });
    assert.equal((await boot.ask()).httpPort, String(httpPort));
    assert.equal(await exchange(httpPort, '?'), 'http');
    const { pid } = await boot.ask();
    process.kill(boot.state().base!.pid, 'SIGKILL');
    assert.notEqual((await boot.ask()).pid, pid);
    assert.equal(await exchange(httpPort, '?'), 'http');
  });

  it('is one that must be free', async () => {
    using bench = new BootBench();
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const boot = bench.start({ httpPort: port });
    assert.equal(await boot.exitCode(), 1);
    assert.equal(boot.errors, `bascule: 127.0.0.1 port ${port} is taken by another program; choose another with --http-port.\n`);
    taken.close();
  });

  for (const names of ['https:http', 'http:https', 'connection'])
    it(`comes from systemd, called ${names}`, { skip: !existsSync(ACTIVATE) && 'systemd is not installed' }, async () => {
      using bench = new BootBench();
      const [port, httpPort] = [freePort(), freePort()];
      const order = names === 'http:https' ? [httpPort, port] : [port, httpPort];
      const listen = order.flatMap((number) => ['-l', `127.0.0.1:${number}`]);
      // 8443 and 0.0.0.0 are what the options say; where the sockets are bound counts.
      const args = bench.args({ port: 8443, listen: '0.0.0.0' });
      const child = spawn(ACTIVATE, [...listen, `--fdname=${names}`, bench.node, ...args], { stdio: 'ignore' });
      try {
        let said: Said | undefined;
        while (said === undefined)
          said = await exchange(port, 'who').then(
            (text) => JSON.parse(text) as Said,
            () => undefined,
          );
        assert.deepEqual(said.args.slice(2, 6), ['--listen', '127.0.0.1', '--port', String(port)]);
        assert.equal(said.httpPort, String(httpPort));
        assert.equal(said.listenFds, undefined);
        assert.equal(await exchange(httpPort, '?'), 'http');
      } finally {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    });
});
