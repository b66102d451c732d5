/** An appliance as operators have it: the Debian package, installed in a small Debian of its own and started by what the package brings. */
import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { homePaths } from '@bascule/core/home.ts';
import { askAppliance } from './appliance-control.ts';
import { DebianRoot } from './debian-root.ts';
import { runTool } from './test-releases.ts';
import type { ReleaseShop } from './upgrade-scene.ts';
import { waitUntil } from './wait-until.ts';

export const INSTALLED_HOME = '/var/lib/bascule';
/** A first start makes the software: seconds, on a busy machine more. */
const READY_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 60_000;
/** Quick, not small: it is installed once. */
const COMPRESSION_LEVEL = '1';

/** Builds the package `version` with the newest base and site of `shop`, signed by a key made as docs/operator/installing.md says; gives its file. */
export async function buildDebianPackage(shop: ReleaseShop, version: string): Promise<string> {
  const keys = join(shop.directory, 'deb-keys');
  const key = join(keys, 'deb.pem');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  if (!existsSync(key)) {
    const { status } = spawnSync('sh', ['-c', 'umask 077; openssl genpkey -algorithm ed25519 -out "$0"', key]);
    if (status !== 0) throw new Error('openssl makes no key');
  }
  const out = join(shop.directory, 'deb');
  const options = ['--repository', shop.repository, '--out', out, '--keys', keys, '--compression-level', COMPRESSION_LEVEL];
  await runTool('release', ['deb', version, ...options]);
  return join(out, `bascule-appliance_${version}_${process.arch === 'arm64' ? 'arm64' : 'amd64'}.deb`);
}

/** Copies `deb` into the root and lets apt install it, with what it depends on; gives what was said. */
export async function installDebianPackage(root: DebianRoot, deb: string): Promise<string> {
  const inside = `/tmp/${basename(deb)}`;
  copyFileSync(deb, root.path(inside));
  const said = await root.must(['apt-get', '-q', '-y', '--no-install-recommends', '--allow-downgrades', 'install', inside]);
  rmSync(root.path(inside));
  return said;
}

/** Installed in a Debian root that shares the network of this machine, and started as any service manager would. `prepareDebianRoot` first. */
export class InstalledAppliance implements AsyncDisposable {
  readonly root: DebianRoot;
  readonly port: number;
  #process: ChildProcess | undefined;
  #said = '';
  /** Of `admin`, once, at the first start; undefined afterwards. */
  passwords: { login?: string | undefined; appliance?: string | undefined } = {};

  private constructor(root: DebianRoot, port: number) {
    this.root = root;
    this.port = port;
  }

  /** A fresh root with `deb`, started and ready; on a free port if absent. */
  static async install(deb: string, port?: number): Promise<InstalledAppliance> {
    const appliance = new InstalledAppliance(await DebianRoot.start(), port ?? (await freePort()));
    try {
      await installDebianPackage(appliance.root, deb);
      await appliance.start();
      return appliance;
    } catch (error) {
      await appliance[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }
  /** The data directory, as this machine sees it. */
  get home(): string {
    return this.root.path(INSTALLED_HOME);
  }

  /** Starts it, and waits until base and site are ready. Rejects with what it said when it ends before. */
  async start(environment: Record<string, string> = {}): Promise<void> {
    const options = { BASCULE_NAME: 'localhost', BASCULE_LISTEN: '127.0.0.1', BASCULE_PORT: String(this.port) };
    const child = this.root.spawn(['/usr/lib/bascule/start'], { ...options, BASCULE_HTTP_PORT: 'none', ...environment }, 'pipe');
    this.#process = child;
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => (this.#said += data.toString()));
    const answer = await waitUntil(
      'the installed appliance answers',
      async () => child.exitCode !== null || (await askAppliance(this.home, { kind: 'wait-ready', timeoutMs: READY_LIMIT_MS })),
      READY_LIMIT_MS,
    );
    if (answer === true || !answer.ok) {
      const why = answer === true ? `it ended with ${child.exitCode}: ${this.#said}` : answer.error;
      throw new Error(`${why}\n${this.logTail()}`);
    }
    this.passwords = answer.firstPasswords ?? {};
  }

  /** As a service manager stops it. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    // nsenter passes no signals on: boot is told itself.
    await this.root.run(['bascule-appliance', 'stop']);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
  }

  /** The end of its log, for a test that fails. */
  logTail(): string {
    const file = join(homePaths(this.home).logs, 'appliance.log');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-30).join('\n') : '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.root[Symbol.asyncDispose]();
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
