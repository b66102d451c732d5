/** The yardstick of a first copy: Debian's rsync over loopback, over ssh (encrypted, as the pair's link is) and by its own plain protocol. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { Sshd } from './sshd.ts';

/** Each file is durable when it is done, as with us. */
const RSYNC = ['rsync', '-a', '--fsync'] as const;

/** Seconds that each way takes to copy `sources` (absolute, folders without a trailing slash) to an empty folder. */
export async function measureRsync(sources: readonly string[]): Promise<{ sshSeconds: number; daemonSeconds: number }> {
  return { sshSeconds: await overSsh(sources), daemonSeconds: await byDaemon(sources) };
}

async function overSsh(sources: readonly string[]): Promise<number> {
  using sshd = await Sshd.start();
  using target = new Target();
  return await run([...RSYNC, '-e', sshd.command, ...sources, `${userInfo().username}@127.0.0.1:${target.folder}/`]);
}

async function byDaemon(sources: readonly string[]): Promise<number> {
  using target = new Target();
  const port = await freePort();
  const file = join(target.folder, 'rsyncd.conf');
  const user = process.getuid?.() === 0 ? 'uid = root\ngid = root\n' : '';
  writeFileSync(file, `use chroot = no\n[to]\npath = ${target.folder}\nread only = no\n${user}`);
  const words = ['--daemon', '--no-detach', `--config=${file}`, '--address=127.0.0.1', `--port=${port}`];
  const daemon = spawn('rsync', words, { stdio: 'ignore' });
  try {
    await waitUntil('the rsync daemon listens', () => answers(port));
    return await run([...RSYNC, ...sources, `rsync://127.0.0.1:${port}/to/`]);
  } finally {
    daemon.kill();
  }
}

async function run([command = '', ...words]: readonly string[]): Promise<number> {
  const startMs = performance.now();
  const child = spawn(command, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`rsync ended with ${code}`);
  return (performance.now() - startMs) / 1000;
}

/** An empty folder, whose content is removed afterwards, so that it takes neither disk nor page cache from the next. */
class Target implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'bascule-rsync-'));

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]);
  socket.destroy();
  return isOpen;
}
