import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NetworkScene, whyNoNetworkScene } from '@bascule/testkit/network-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { saidNoFile } from '../../test/said-no-file.ts';
import { MAIN_SILENCE_LIMIT_MS, SHARED_LIFE_MS } from './traffic-holder.ts';

const HELPER = join(import.meta.dirname, '..', '..', '..', 'boot', 'src', 'helper.ts');
const PROGRAM = join(import.meta.dirname, '..', '..', 'test', 'traffic-program.ts');
/** How much later than a life ends the kernel looks, with as much again for a busy machine. */
const KERNEL_LATE_MS = 4_000;
/** One machine for each test, so that they wait at the same time. */
const MACHINES = ['loser', 'mainhangs', 'basehangs', 'late'];

interface Appliance {
  base: ChildProcess;
  main: number;
  address: string;
  /** Waits until the machine has its shared address, or has it no more; gives after how many milliseconds. */
  until(has: boolean, limitMs: number): Promise<number>;
}

describe('a shared address', { skip: whyNoNetworkScene() ?? false, concurrency: true }, () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-traffic-'));
  const started: ChildProcess[] = [];
  let scene: NetworkScene;

  before(() => {
    chmodSync(home, 0o755);
    const own = MACHINES.map((name, at) => [name, [`10.9.1.${10 + at}/24`]] as const);
    scene = new NetworkScene({ ...Object.fromEntries(own), client: ['10.9.1.200/24'] });
  });
  after(() => {
    for (const child of started) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    scene[Symbol.dispose]();
    rmSync(home, { recursive: true, force: true });
  });

  /** A helper and a base on `machine`, whose main serves: it has its shared address then. */
  async function start(machine: string): Promise<Appliance> {
    const directory = join(home, machine);
    const socket = join(directory, 'run', 'helper', 'helper.sock');
    mkdirSync(join(directory, 'run', 'helper'), { recursive: true });
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    const helper = scene.spawn(machine, [process.execPath, HELPER, '--socket', socket, '--gid', '0'], { stdio: [...stdio] });
    started.push(helper);
    await once(helper, 'message');
    const address = `10.9.1.${100 + MACHINES.indexOf(machine)}`;
    const base = scene.spawn(
      machine,
      [process.execPath, PROGRAM, directory, socket, address, ...(machine === 'basehangs' ? [] : ['when'])],
      { stdio: [...stdio] },
    );
    started.push(base);
    const [{ main }] = (await once(base, 'message')) as [{ main: number }];
    const until = async (has: boolean, limitMs: number): Promise<number> => {
      const sinceMs = performance.now();
      await waitUntil(`${machine} has ${has ? '' : 'no longer '}its address`, () => scene.has(machine, address) === has, limitMs);
      return performance.now() - sinceMs;
    };
    return { base, main, address, until };
  }

  it('comes with the right to serve, is announced, and goes at once with it', async () => {
    scene.ip('client', 'neighbour', 'replace', '10.9.1.100', 'lladdr', '02:00:00:00:00:01', 'dev', 'eth0', 'nud', 'reachable');
    const { main, address, until } = await start('loser');
    await until(true, 10_000);
    await waitUntil('the client knows who has it', () => scene.neighbour('client', address) === scene.mac('loser'));
    process.kill(main, 'SIGUSR1');
    // Long before the kernel would: it was told to.
    assert.ok((await until(false, 10_000)) < SHARED_LIFE_MS - 1_000);
    rmSync(saidNoFile(main), { force: true });
  });

  it('goes when main hangs, comes back with it, and goes when base dies', async () => {
    const { base, main, until } = await start('mainhangs');
    await until(true, 10_000);
    process.kill(main, 'SIGSTOP');
    await until(false, MAIN_SILENCE_LIMIT_MS + KERNEL_LATE_MS);
    process.kill(main, 'SIGCONT');
    await until(true, 10_000);
    base.kill('SIGKILL');
    await until(false, SHARED_LIFE_MS + KERNEL_LATE_MS);
  });

  it('goes when base hangs; a base that goes on does not take it back by what lay about meanwhile', async () => {
    const { base, main, address, until } = await start('basehangs');
    await until(true, 10_000);
    base.kill('SIGSTOP');
    await until(false, SHARED_LIFE_MS + KERNEL_LATE_MS);
    process.kill(main, 'SIGUSR1');
    // Its no lies behind its yes.
    await waitUntil('main has said no', () => existsSync(saidNoFile(main)));
    rmSync(saidNoFile(main));
    base.kill('SIGCONT');
    for (let looks = 0; looks < 20; looks++) {
      assert.equal(scene.has('basehangs', address), false);
      await delay(50);
    }
  });

  it('is not given by a helper that goes on and finds an old request', async () => {
    const { address, until } = await start('late');
    const helper = started.find((child) => child.spawnargs.includes(join(home, 'late', 'run', 'helper', 'helper.sock')))!;
    await until(true, 10_000);
    helper.kill('SIGSTOP');
    await until(false, SHARED_LIFE_MS + KERNEL_LATE_MS);
    const base = started.find((child) => child.spawnargs.includes(PROGRAM) && child.spawnargs.includes(join(home, 'late')))!;
    base.kill('SIGKILL');
    // Longer than any life that a request in its queue may ask for.
    await delay(SHARED_LIFE_MS);
    helper.kill('SIGCONT');
    for (let looks = 0; looks < 20; looks++) {
      assert.equal(scene.has('late', address), false);
      await delay(50);
    }
  });
});
