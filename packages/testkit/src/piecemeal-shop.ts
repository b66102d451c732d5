/** Releases that are built at once and published one after the other, and a mirror of them that nothing of ours serves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRelease, runTool, type Changes } from './test-releases.ts';
import { waitUntil } from './wait-until.ts';

/** Debian's own. */
const PYTHON = '/usr/bin/python3';

export interface PlannedRelease extends Changes {
  /** Of `npm run release`: `--requires-base '>=0.2.0'` and so on. */
  options?: string[];
}

export class PiecemealShop implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-releases-'));
  readonly repository = join(this.directory, 'repository');
  readonly keys = join(this.directory, 'keys');
  /** Where the update server keeps its state. */
  readonly server = join(this.directory, 'server');
  readonly #out = join(this.directory, 'out');

  /** Makes keys and an empty repository. */
  static async open(): Promise<PiecemealShop> {
    const shop = new PiecemealShop();
    chmodSync(shop.directory, 0o755);
    await runTool('release', ['repository', '--repository', shop.repository, '--keys', shop.keys]);
    return shop;
  }

  /** Builds and publishes nothing yet. The first build makes the runtime too, which others at the same time would make again. */
  async build(kind: 'base' | 'site', { options = [], ...changes }: PlannedRelease): Promise<void> {
    await buildRelease(kind, changes, this.#out, options);
  }

  /** Builds a licence of Muster AG. */
  async buildLicence(version: string, options: string[]): Promise<void> {
    await runTool('release', ['licence', version, '--holder', 'Muster AG', '--out', this.#out, ...options]);
  }

  /** Publishes what was built; targets as `base/bascule-base-0.2.0.tar.zst`. */
  async publish(...targets: string[]): Promise<void> {
    const files = targets.map((target) => join(this.#out, target));
    await runTool('release', ['publish', ...files, '--repository', this.repository, '--keys', this.keys]);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** A copy of a repository's files behind a web server that knows nothing of Bascule. */
export class PlainMirror implements AsyncDisposable {
  readonly #shop: PiecemealShop;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  #port = 0;

  constructor(shop: PiecemealShop) {
    this.#shop = shop;
    this.#directory = join(shop.directory, 'mirror');
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Copies what is published now. */
  copy(): void {
    for (const part of ['targets', 'metadata'])
      cpSync(join(this.#shop.repository, part), join(this.#directory, part), { recursive: true, force: true });
  }

  /** Serves the copy; again on the port of before. */
  async start(): Promise<void> {
    await this.stop();
    const child = spawn(
      PYTHON,
      ['-u', '-m', 'http.server', String(this.#port), '--bind', '127.0.0.1', '--directory', this.#directory],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    this.#process = child;
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    this.#port = await waitUntil('the web server runs', () => {
      if (child.exitCode !== null) throw new Error('the web server ended');
      return Number(/ port (\d+)/.exec(said)?.[1] ?? 0) || undefined;
    });
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
