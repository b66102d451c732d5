/**
 * A failover pair on machines of its own: two appliances, a witness and a machine of clients on one bridge, with a shared address that follows the primary.
 * Needs root (`whyNoNetworkPair`).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { must } from '@bascule/core/must.ts';
import { pairSettings } from '@bascule/protocol/api/failover.ts';
import { ipConfiguration } from '@bascule/protocol/api/network.ts';
import { ApiClient } from './api-client.ts';
import { CHECKOUT, launchAppliance, type LaunchOptions } from './launch-appliance.ts';
import { MachineDoor } from './machine-door.ts';
import { NetworkScene, whyNoNetworkScene } from './network-scene.ts';
import { PairScene, PairSide } from './pair-scene.ts';
import { BOX_PASSWORD, SITE_PASSWORD } from './upgrade-scene.ts';
import { waitUntil } from './wait-until.ts';

export const SHARED_ADDRESS = '10.77.0.100';
const OWN = { a: '10.77.0.1', b: '10.77.0.2', c: '10.77.0.3', w: '10.77.0.4' } as const;
const PREFIX = 24;
const PORT = 8443;
const WITNESS_PORT = 7443;
const WITNESS = join(CHECKOUT, 'apps', 'witness', 'src', 'main.ts');

export class NetworkPair implements AsyncDisposable {
  readonly network: NetworkScene;
  /** From the machine of clients. */
  readonly door: MachineDoor;
  readonly pair: PairScene;
  readonly #directory: string;
  #witness: ChildProcess | undefined;

  private constructor(network: NetworkScene, door: MachineDoor, pair: PairScene, directory: string) {
    this.network = network;
    this.door = door;
    this.pair = pair;
    this.#directory = directory;
  }

  /** Starts machines, witness and both appliances; nothing is established yet. */
  static async start(options: LaunchOptions = {}): Promise<NetworkPair> {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-network-pair-'));
    chmodSync(directory, 0o755);
    const own = Object.entries(OWN).map(([machine, address]) => [machine, [`${address}/${PREFIX}`]] as const);
    const network = new NetworkScene(Object.fromEntries(own));
    const door = await MachineDoor.open(network, 'c', join(directory, 'door.sock'));
    const side = (name: 'a' | 'b') => startSide(name, network, door, options);
    const [a, b] = await Promise.all([side('a'), side('b')]);
    return new NetworkPair(network, door, new PairScene(a, b), directory);
  }

  /** `https://` of the shared address. */
  get url(): string {
    return `https://${SHARED_ADDRESS}:${PORT}`;
  }

  /** Adds the shared address to both appliances, as their administrators would under Networking > IP configuration. */
  async shareAddress(): Promise<void> {
    for (const { appliance } of this.pair.sides) {
      const box = await ApiClient.pin(appliance.url, '/appliance/api', this.door);
      await box.takeOver(appliance.passwords.appliance, BOX_PASSWORD);
      await box.call('POST', 'network/addresses', z.unknown(), {
        enabled: true,
        device: 'eth0',
        address: SHARED_ADDRESS,
        prefix: PREFIX,
        accessType: 'both',
        shared: true,
      });
      await box.call('GET', 'network/addresses', ipConfiguration);
    }
  }

  /** What starts a program on that machine. */
  onMachine(machine: keyof typeof OWN): string[] {
    return ['ip', 'netns', 'exec', this.network.namespace(machine)];
  }

  /** Has `from` drop what it would send to `to`, or send it again: the way back stays open. */
  setReach(from: keyof typeof OWN, to: keyof typeof OWN, reaches: boolean): void {
    this.network.setSending(from, OWN[to], reaches);
  }

  /** Waits until this appliance alone has the shared address, and the clients' machine knows. */
  async untilAddressIsAt(name: 'a' | 'b'): Promise<void> {
    const other = name === 'a' ? 'b' : 'a';
    await waitUntil(`${name} alone has the shared address`, () => {
      const { network } = this;
      const isThere = network.has(name, SHARED_ADDRESS) && !network.has(other, SHARED_ADDRESS);
      return isThere && network.neighbour('c', SHARED_ADDRESS) === network.mac(name);
    });
  }

  get #witnessState(): string[] {
    return ['--state', join(this.#directory, 'witness')];
  }

  startWitness(): void {
    const command = [process.execPath, WITNESS, 'run', ...this.#witnessState, '--port', String(WITNESS_PORT)];
    this.#witness = this.network.spawn('w', command, { stdio: 'ignore' });
  }

  async killWitness(): Promise<void> {
    const witness = must(this.#witness, 'a witness');
    const exited = once(witness, 'exit');
    witness.kill('SIGKILL');
    await exited;
  }

  /** Starts the witness on a machine of its own, and has both sides use it, with automatic failover on. */
  async useWitness(): Promise<void> {
    const state = this.#witnessState;
    await this.#witnessCommand('init', ...state);
    this.startWitness();
    const said = await waitUntil('the witness gives a code', () => this.#witnessCommand('code', ...state));
    const code = /bw1\.[0-9a-f]{64}\.[A-Za-z0-9_-]{43}/.exec(said)?.[0] ?? '';
    const primary = await this.primary();
    const endpoint = { host: OWN.w, port: WITNESS_PORT };
    await waitUntil('the witness takes both', () =>
      primary.site.call('PUT', 'failover/witness', z.unknown(), { endpoint, code }),
    );
    await primary.site.call('PUT', 'failover/settings', pairSettings, { automatic: true });
    for (const side of this.pair.sides)
      await side.until('is connected to the witness', ({ witness }) => witness?.state === 'connected');
    await primary.until('the witness knows that its backup has everything', ({ witness }) => witness?.peerInSync === true);
  }

  async primary(): Promise<PairSide> {
    for (const side of this.pair.sides) if ((await side.state()).self.role === 'primary') return side;
    throw new Error('neither side is primary');
  }

  /** A client of the shared address, logged in as `admin`. */
  async client(): Promise<ApiClient> {
    const client = await waitUntil('the shared address answers', () => ApiClient.pin(this.url, '/api', this.door));
    client.agent.options.rejectUnauthorized = false;
    await client.logIn('admin', SITE_PASSWORD);
    return client;
  }

  async #witnessCommand(...words: string[]): Promise<string> {
    const child = spawn(process.execPath, [WITNESS, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
    await once(child, 'close');
    if (child.exitCode !== 0) throw new Error(`bascule-witness ${words[0]} ended with ${child.exitCode}`);
    return said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
    if (this.#witness !== undefined && this.#witness.exitCode === null && this.#witness.signalCode === null) {
      const exited = once(this.#witness, 'exit');
      this.#witness.kill('SIGTERM');
      await exited;
    }
    await this.door[Symbol.asyncDispose]();
    this.network[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function startSide(name: 'a' | 'b', network: NetworkScene, door: MachineDoor, options: LaunchOptions): Promise<PairSide> {
  const appliance = await launchAppliance({
    ...options,
    address: OWN[name],
    port: PORT,
    name: SHARED_ADDRESS,
    onMachine: ['ip', 'netns', 'exec', network.namespace(name)],
    environment: { ...options.environment, BASCULE_APPLIANCE: name === 'a' ? 'north' : 'south' },
  });
  const site = await ApiClient.pin(appliance.url, '/api', door);
  await site.takeOver(appliance.passwords.login, SITE_PASSWORD);
  return new PairSide(name, appliance, site, door);
}

/** Why there can be none here; undefined when there can. */
export function whyNoNetworkPair(): string | undefined {
  if (!existsSync('/usr/bin/arping')) return 'iputils-arping, which announces addresses, is not installed';
  return whyNoNetworkScene();
}
