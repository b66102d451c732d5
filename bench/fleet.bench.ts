/** `fleet`: what many Jump Clients cost that are connected and idle, and how fast they are back after SIGKILL of the site. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { createdInstallerToken } from '@bascule/protocol/api/jump.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';

const CLIENTS = Number(process.env['BASCULE_BENCH_CLIENTS'] ?? 15_000);
const PASSWORD = 'fleet benchmark password';
const IDLE_MS = 60_000;
/** After a storm, before memory and idle CPU are read: garbage is collected, batches are written. */
const SETTLE_MS = 20_000;
const ENROL_LIMIT_MS = 300_000;
const CONNECT_LIMIT_MS = 120_000;
/** Linux counts CPU in hundredths of a second (USER_HZ). */
const TICK_MS = 10;

/** Starts an appliance and the simulated clients; gives the figures of bench/RESULTS.md. */
export async function run(): Promise<Record<string, number>> {
  await using appliance = await launchAppliance();
  const empty = await readServer(appliance);
  using fleet = new Fleet(appliance.port, await makeToken(appliance));
  await fleet.until('enrolled', CLIENTS, ENROL_LIMIT_MS);
  await delay(SETTLE_MS / 4);

  const before = await readServer(appliance);
  fleet.send('connect');
  await fleet.until('connected', CLIENTS, CONNECT_LIMIT_MS);
  const after = await readServer(appliance);
  await delay(SETTLE_MS);

  const idleBegin = await readServer(appliance);
  await delay(IDLE_MS);
  const idleEnd = await readServer(appliance);

  const killedMs = performance.now();
  await appliance.kill('site');
  await fleet.untilBelow(CLIENTS);
  await fleet.until('connected', CLIENTS, CONNECT_LIMIT_MS);
  const reconnectMs = performance.now() - killedMs;
  await delay(SETTLE_MS);
  const end = await readServer(appliance);
  return {
    clients: CLIENTS,
    // The fuller of the two states: after the first connects, and after a restart with everyone coming back.
    kb_per_client: Math.round((Math.max(idleEnd.rssBytes, end.rssBytes) - empty.rssBytes) / CLIENTS / 1024),
    cpu_ms_per_connect: Number(((after.cpuMs - before.cpuMs) / CLIENTS).toFixed(2)),
    reconnect_s: Number((reconnectMs / 1000).toFixed(1)),
    idle_cpu_percent: Number((((idleEnd.cpuMs - idleBegin.cpuMs) / IDLE_MS) * 100).toFixed(1)),
  };
}

async function makeToken(appliance: LaunchedAppliance): Promise<string> {
  const api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  const body = { name: 'fleet', validForHours: 1, uses: CLIENTS, groupId: null, approveEach: false };
  return (await api.call('POST', 'jump/tokens', createdInstallerToken, body)).secret;
}

/** CPU (user and system) and memory of base and site main together. */
async function readServer(appliance: LaunchedAppliance): Promise<{ cpuMs: number; rssBytes: number }> {
  let cpuMs = 0;
  let rssBytes = 0;
  for (const program of ['base', 'site'] as const) {
    const pid = await appliance.pid(program);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    cpuMs += (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    rssBytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  }
  return { cpuMs, rssBytes };
}

type FleetState = { enrolled: number; connected: number; failures: number };

/** The process that simulates the clients. */
class Fleet implements Disposable {
  #process: ChildProcess;
  #state: FleetState = { enrolled: 0, connected: 0, failures: 0 };
  #wake: (() => void)[] = [];

  constructor(port: number, token: string) {
    const script = join(import.meta.dirname, 'fleet-clients.ts');
    this.#process = spawn(
      process.execPath,
      [script, '--site', `127.0.0.1:${port}`, '--token', token, '--count', String(CLIENTS)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      this.#state = JSON.parse(line) as FleetState;
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  send(command: 'connect' | 'disconnect'): void {
    this.#process.stdin!.write(`${command}\n`);
  }

  async until(what: 'enrolled' | 'connected', goal: number, limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    while (this.#state[what] < goal) {
      if (performance.now() > endMs)
        throw new Error(
          `only ${this.#state[what]} of ${goal} clients ${what} within ${limitMs / 1000} s, ${this.#state.failures} failures`,
        );
      await this.#report();
    }
  }

  /** Until the clients have noticed that the site is gone. */
  async untilBelow(count: number): Promise<void> {
    while (this.#state.connected >= count) await this.#report();
  }

  #report(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
