/** `start`: how long a warm `npm start` takes until the address is printed and the local Jump Client is enrolled. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const WARM_RUNS = 5;
const READY_LINE = 'Open the site, then Console, then Jump.';
const checkout = resolve(import.meta.dirname, '..');

/** Starts once to stage, then measures warm starts; the figure is the median, in seconds. */
export async function run(): Promise<Record<string, number>> {
  const home = mkdtempSync(join(tmpdir(), 'bascule-bench-start-'));
  // As root the service user must be able to enter it.
  chmodSync(home, 0o755);
  try {
    const port = await freePort();
    await timeStart(home, port);
    const seconds: number[] = [];
    for (let index = 0; index < WARM_RUNS; index++) seconds.push(await timeStart(home, port));
    seconds.sort((one, other) => one - other);
    process.stdout.write(`warm starts: ${seconds.map((value) => value.toFixed(2)).join(' ')} s\n`);
    return { warm_ready_s: Number(seconds[Math.floor(WARM_RUNS / 2)]!.toFixed(2)) };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** From the command to the last line of the greeting. Ends the appliance by Ctrl-C's signal and waits until it is gone. */
async function timeStart(home: string, port: number): Promise<number> {
  const startedAtMs = performance.now();
  const child = spawn('npm', ['start', '--', '--home', home, '--port', String(port)], {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const lines = createInterface({ input: child.stdout });
  let ready = false;
  for await (const line of lines) {
    ready = line.includes(READY_LINE);
    if (ready) break;
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  await interrupt(child);
  if (!ready) throw new Error('npm start did not become ready');
  return seconds;
}

async function interrupt(child: ChildProcess): Promise<void> {
  child.stdout?.resume();
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  process.kill(-child.pid!, 'SIGINT');
  await gone;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
