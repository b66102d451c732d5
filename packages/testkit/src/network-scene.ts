/** Machines of a test's own: network namespaces on one bridge, each with a port `eth0`, so that addresses, ARP and cuts are real. */
import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';

const COMMAND_LIMIT_MS = 10_000;
const SWITCH = 'sw';
/** States of a bridge's port (bridge(8)). */
const PORT_DISABLED = '0';
const PORT_FORWARDS = '3';

/** Why there are none here; undefined when there are. */
export function whyNoNetworkScene(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces can be made by root only';
  if (!existsSync('/usr/sbin/ip')) return 'iproute2 is not installed';
  const name = `bsc${randomBytes(3).toString('hex')}`;
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return 'this machine allows no network namespaces';
  spawnSync('ip', ['netns', 'delete', name]);
  return undefined;
}

export class NetworkScene implements Disposable {
  readonly #prefix = `bsc${randomBytes(3).toString('hex')}`;
  readonly #machines: readonly string[];

  /** Makes a machine of each name (letters), with `eth0` on one bridge and, where given, the addresses `own`. */
  constructor(machines: Record<string, readonly string[]>) {
    this.#machines = Object.keys(machines);
    try {
      for (const name of [SWITCH, ...this.#machines]) ip('netns', 'add', this.namespace(name));
      this.ip(SWITCH, 'link', 'add', 'br0', 'type', 'bridge');
      this.ip(SWITCH, 'link', 'set', 'br0', 'up');
      for (const [name, own] of Object.entries(machines)) {
        const port = `p${name}`;
        this.ip(SWITCH, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.namespace(name));
        this.ip(SWITCH, 'link', 'set', port, 'master', 'br0', 'up');
        this.ip(name, 'link', 'set', 'lo', 'up');
        this.ip(name, 'link', 'set', 'eth0', 'up');
        for (const address of own)
          this.ip(name, 'address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : []));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  namespace(machine: string): string {
    return `${this.#prefix}${machine}`;
  }

  /** `ip` with these arguments on `machine`; gives what it says. */
  ip(machine: string, ...args: string[]): string {
    return ip('-netns', this.namespace(machine), ...args);
  }

  /** A command on `machine`, to its end; gives what it says. Throws when it fails. */
  run(machine: string, command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace(machine), ...command], {
      encoding: 'utf8',
      timeout: COMMAND_LIMIT_MS,
    });
  }

  /** Starts a program on `machine`. */
  spawn(machine: string, command: readonly string[], options: SpawnOptions): ChildProcess {
    // It becomes the program (exec), so that signals reach that, and mounts a /sys that shows the machine's own ports.
    return spawn('ip', ['netns', 'exec', this.namespace(machine), ...command], options);
  }

  /** Takes the machine's cable out, or puts it back. */
  setCable(machine: string, isIn: boolean): void {
    this.ip(SWITCH, 'link', 'set', `p${machine}`, isIn ? 'up' : 'down');
  }

  /** Has the switch drop, without a word, whatever goes to or comes from the machine, or pass it on again: its port stays up. */
  setForwarding(machine: string, isForwarding: boolean): void {
    this.run(SWITCH, ['bridge', 'link', 'set', 'dev', `p${machine}`, 'state', isForwarding ? PORT_FORWARDS : PORT_DISABLED]);
  }

  /** Has `machine` drop, without a word, what it would send to `address`, or send it again; the other direction stays open. */
  setSending(machine: string, address: string, isSending: boolean): void {
    this.ip(machine, 'route', isSending ? 'delete' : 'add', 'blackhole', `${address}/32`);
  }

  /** The hardware address of the machine's port. */
  mac(machine: string): string {
    return /link\/ether (\S+)/.exec(this.ip(machine, 'link', 'show', 'eth0'))?.[1] ?? '';
  }

  /** The hardware address that `machine` believes `address` has; undefined when it knows none. */
  neighbour(machine: string, address: string): string | undefined {
    return /lladdr (\S+)/.exec(this.ip(machine, 'neighbour', 'show', 'to', address))?.[1];
  }

  /** Whether `machine` has `address`. */
  has(machine: string, address: string): boolean {
    return this.ip(machine, '-json', 'address', 'show').includes(`"local":"${address}"`);
  }

  [Symbol.dispose](): void {
    for (const name of [SWITCH, ...this.#machines]) spawnSync('ip', ['netns', 'delete', this.namespace(name)]);
  }
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', timeout: COMMAND_LIMIT_MS, stdio: ['ignore', 'pipe', 'pipe'] });
}
