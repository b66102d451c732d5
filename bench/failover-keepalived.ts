/** The yardstick: Debian's keepalived moves an address between the same two machines, in front of a service that sends one byte. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NetworkScene } from '@bascule/testkit/network-scene.ts';
import { monotonicMs, ServiceWatch } from './failover-service.ts';

const ADDRESS = '10.77.0.200';
const PORT = 9000;
const PRIORITY = { a: 150, b: 100 } as const;
const FIRST_LIMIT_MS = 30_000;
const LIMIT_MS = 60_000;
/** Until advertisements go again. */
const SETTLE_MS = 2500;
const CUTS = 3;

type Machine = keyof typeof PRIORITY;

/** Milliseconds without an answer from the address: the longest of some cuts, and when the machine dies. */
export async function measureKeepalived(network: NetworkScene): Promise<{ cutMs: number; killMs: number }> {
  using scene = new KeepalivedScene(network);
  using watch = new ServiceWatch(network, 'c', ['answerer', ADDRESS, String(PORT)]);
  const measure = async (fault: () => Promise<void>, mend: () => Promise<void>) => {
    const beganMs = monotonicMs();
    await watch.answered(beganMs, FIRST_LIMIT_MS);
    await delay(SETTLE_MS);
    const faultMs = monotonicMs();
    await fault();
    await delay(SETTLE_MS * 2);
    await watch.answered(monotonicMs(), LIMIT_MS);
    const gapMs = watch.longestGapMs(faultMs);
    await mend();
    await delay(SETTLE_MS * 2);
    return gapMs;
  };
  await delay(SETTLE_MS * 2);
  // How long it takes depends on the age of the last advertisement.
  const cuts: number[] = [];
  for (let time = 0; time < CUTS; time += 1)
    cuts.push(
      await measure(
        async () => network.setCable('a', false),
        async () => network.setCable('a', true),
      ),
    );
  // A machine that dies takes its programs and its port with it.
  const killMs = await measure(
    async () => {
      await scene.kill('a');
      network.setCable('a', false);
    },
    async () => {
      network.ip('a', 'address', 'flush', 'to', `${ADDRESS}/32`);
      network.setCable('a', true);
    },
  );
  return { cutMs: Math.max(...cuts), killMs };
}

class KeepalivedScene implements Disposable {
  readonly #network: NetworkScene;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bascule-keepalived-'));
  readonly #programs: Record<Machine, ChildProcess[]> = { a: [], b: [] };

  constructor(network: NetworkScene) {
    this.#network = network;
    for (const machine of ['a', 'b'] as const) this.#start(machine);
  }

  #start(machine: Machine): void {
    const file = join(this.#folder, `${machine}.conf`);
    writeFileSync(
      file,
      `global_defs {
  router_id ${machine}
}
vrrp_instance service {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority ${PRIORITY[machine]}
  advert_int 1
  virtual_ipaddress {
    ${ADDRESS}/24 dev eth0
  }
}
`,
      { mode: 0o600 },
    );
    const pidFile = (name: string) => join(this.#folder, `${machine}.${name}.pid`);
    const words = [
      '--dont-fork',
      '--log-console',
      '--vrrp',
      '--use-file',
      file,
      '--pid',
      pidFile('parent'),
      '--vrrp_pid',
      pidFile('vrrp'),
    ];
    this.#programs[machine] = [
      this.#network.spawn(machine, ['keepalived', ...words], { stdio: 'ignore', detached: true }),
      this.#network.spawn(machine, [process.execPath, join(import.meta.dirname, 'failover-answerer.ts'), String(PORT)], {
        stdio: 'ignore',
        detached: true,
      }),
    ];
  }

  /** SIGKILL of keepalived, with the process that it forked, and of the service. */
  async kill(machine: Machine): Promise<void> {
    for (const program of this.#programs[machine]) {
      if (program.exitCode !== null || program.signalCode !== null) continue;
      const exited = once(program, 'exit');
      process.kill(-program.pid!, 'SIGKILL');
      await exited;
    }
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.#programs).flat())
      if (program.exitCode === null && program.signalCode === null) process.kill(-program.pid!, 'SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
