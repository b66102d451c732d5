/** Installed clients with the real supervisor and the real program, a site that orders upgrades and serves parcels, and programs with faults: for tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { newId } from '@bascule/core/ids.ts';
import { packArchive } from '@bascule/package-format/archive.ts';
import { writeClientParcel } from '@bascule/package-format/client-parcel.ts';
import { TestRepository } from '@bascule/package-format/testing.ts';
import { clientTarget, type Parcel, type UpgradeOrder, type UpgradeReport } from '@bascule/protocol/client-program.ts';
import type { FromClient } from '@bascule/protocol/control-link.ts';
import { TestSite } from '../../../apps/site/src/jump/testing.ts';
import { ClientHome } from '../src/client-home.ts';
import { enrol } from '../src/enrol.ts';
import { FACTS, silent } from '../src/testing.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..', '..');
const SUPERVISOR = join(CHECKOUT, 'packages', 'client', 'supervisor', 'supervisor.mjs');
const PTY = join(CHECKOUT, 'node_modules', '@lydell', `node-pty-${process.platform}-${process.arch}`, 'pty.node');
const RUNTIME_SHA256 = 'a'.repeat(64);
const RUNTIME_FOLDER = RUNTIME_SHA256.slice(0, 16);
export const OLD_VERSION = '0.2.0';
export const NEW_VERSION = '0.3.0';
/** The waits that tests cannot afford, shorter. */
const HURRIED: Record<string, string> = {
  'STAYS_UP_MS = 5000': 'STAYS_UP_MS = 300',
  'SHELL_PAUSE_MS = 500': 'SHELL_PAUSE_MS = 10',
  'RETRY_FIRST_MS = 500': 'RETRY_FIRST_MS = 10',
  'BACK_OFF_FIRST_MS = 1000': 'BACK_OFF_FIRST_MS = 100',
  'BACK_OFF_MAX_MS = 60_000': 'BACK_OFF_MAX_MS = 200',
  'TRY_PAUSE_MS = 1000': 'TRY_PAUSE_MS = 20',
  'RESTART_FIRST_MS = 1000': 'RESTART_FIRST_MS = 20',
  'ANSWER_LIMIT_MS = 10_000': 'ANSWER_LIMIT_MS = 400',
  'healthSeconds * 1000': 'healthSeconds * 500',
};

/** Faults of a candidate, as code that runs before it does. */
export const FAULTS = {
  none: '',
  'exits at once': "if (process.argv.includes('--trial')) { process.stderr.write('the cat ate it\\n'); process.exit(7); }",
  'cannot connect': patched('net', "net.connect = () => { throw new Error('no way out'); };"),
  'loses its link': patched(
    'tls',
    `const open = tls.connect; tls.connect = (...a) => { const s = open(...a); s.once('secureConnect', () => setTimeout(() => s.destroy(), 150)); return s; };`,
  ),
  'opens no shell': "if (process.argv.includes('--trial')) process.dlopen = () => { throw new Error('no terminal'); };",
  hangs:
    "if (process.argv.includes('--trial')) { const send = process.send.bind(process); process.send = (m) => { send(m); if (m.kind === 'trouble') setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)); }; }",
} as const;
export type Fault = keyof typeof FAULTS;

function patched(module: string, code: string): string {
  return `import ${module} from 'node:${module}'; import { syncBuiltinESMExports } from 'node:module'; if (process.argv.includes('--trial')) { ${code} syncBuiltinESMExports(); }`;
}

function hurry(text: string): string {
  return Object.entries(HURRIED).reduce((changed, [from, to]) => changed.replace(from, to), text);
}

const hurried: Plugin = {
  name: 'hurried',
  setup(run) {
    run.onLoad(
      { filter: /packages\/client\/src\/(trial-health|parcel-download|link-pace|local-control)\.ts$/ },
      async ({ path }) => ({
        contents: hurry(await readFile(path, 'utf8')),
        loader: 'ts',
      }),
    );
  },
};

async function buildMain(program: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`apps/${program}/src/main.ts`],
    absWorkingDir: CHECKOUT,
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    logLevel: 'silent',
    // Half the bytes to sign, pack, unpack and read.
    minify: true,
    plugins: [hurried],
    banner: { js: "import { createRequire as requireMaker } from 'node:module'; const require = requireMaker(import.meta.url);" },
  });
  return outputFiles[0]!.text;
}

export interface Served {
  file: string;
  /** Answers in place of the server; gives whether it did. */
  answer?(request: IncomingMessage, response: ServerResponse, from: number): boolean;
}

export interface OrderOptions {
  fault?: Fault;
  /** Bytes in place of the native part. */
  pty?: Uint8Array;
  /** Who signs; the site's publisher if absent. */
  repository?: TestRepository;
  changes?: Partial<UpgradeOrder>;
}

/** The site's side: control links, orders, parcels, and the publisher's repository. */
export class UpgradeSite {
  readonly directory: string;
  readonly site: TestSite;
  readonly repository: TestRepository;
  /** The real program, in a hurry. */
  readonly mainText: string;
  readonly #parcels = new Map<string, Served>();
  readonly #heard = new Map<string, FromClient[]>();
  readonly #waiting = new Set<() => void>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, site: TestSite, repository: TestRepository, main: string) {
    this.directory = directory;
    this.site = site;
    this.repository = repository;
    this.mainText = main;
    site.jump.serveRequests((_client, request, response) => this.#serve(request, response));
    site.jump.onClientHello((client, hello) => this.#hear(client, hello));
    site.jump.onClientMessage((client, message) => this.#hear(client, message));
    site.jump.onClientLink(() => this.#wake());
  }

  static async open(program = 'jump-client'): Promise<UpgradeSite> {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-upgrade-'));
    const [site, repository, main] = await Promise.all([TestSite.open(), TestRepository.create(directory), buildMain(program)]);
    return new UpgradeSite(directory, site, repository, main);
  }

  async close(): Promise<void> {
    await this.site.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Signs a version and gives an order for it; one after the other, since there is one author. `changes` make it a wrong one. */
  async orderOf(version: string, options: OrderOptions = {}): Promise<UpgradeOrder> {
    const work = async () => this.#order(await this.#addVersion(version, options), options);
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #addVersion(
    version: string,
    { fault = 'none', pty, repository = this.repository }: OrderOptions,
  ): Promise<{ target: string; file: string; sha256: string }> {
    const target = clientTarget('jump-client', 'linux-x64', version);
    const file = join(this.directory, `${version}-${fault.replaceAll(' ', '-')}.tar.zst`);
    const about = { format: 'bascule-client/1', program: 'jump-client', version, revision: 'abc123' };
    const { sha256 } = await packArchive(
      [
        { path: 'bascule-client.json', source: Buffer.from(JSON.stringify(about)), executable: false },
        { path: 'main.mjs', source: Buffer.from(`${FAULTS[fault]}\n${this.mainText}`), executable: false },
        { path: 'pty.node', source: pty ?? PTY, executable: false },
      ],
      file,
    );
    await repository.author.addTarget('client', { path: target, file });
    return { target, file, sha256 };
  }

  async #order(
    added: { target: string; file: string; sha256: string },
    { repository = this.repository, changes = {} }: OrderOptions,
  ): Promise<UpgradeOrder> {
    await repository.publish();
    const { target, sha256, file } = added;
    const parcelFile = join(this.directory, `parcel-${newId('clientUpgrade')}`);
    const parcel = await writeClientParcel({ metadataDir: join(repository.directory, 'metadata'), target, file }, parcelFile);
    this.serve(parcel, { file: parcelFile });
    return {
      order: newId('clientUpgrade'),
      version: /(\d+\.\d+\.\d+)\.tar/.exec(target)?.[1] ?? '',
      revision: 'abc123',
      target,
      sha256,
      parcel,
      runtime: null,
      root: (await readFile(join(repository.directory, 'metadata', '1.root.json'))).toString('base64'),
      healthSeconds: 60,
      ...changes,
    };
  }

  /** Signs another runtime (a script that starts this one) and gives its part of an order. */
  async runtime(): Promise<NonNullable<UpgradeOrder['runtime']>> {
    const work = async () => {
      const file = join(this.directory, `runtime-${newId('clientUpgrade')}`);
      const script = Buffer.from(`#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
      const { sha256 } = await packArchive([{ path: 'bin/node', source: script, executable: true }], file);
      const target = `runtime/${sha256}.tar.zst`;
      await this.repository.author.addTarget('runtime', { path: target, file });
      const { parcel } = await this.#order({ target, file, sha256 }, {});
      return { target, sha256, parcel };
    };
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  serve(parcel: Parcel, served: Served): void {
    this.#parcels.set(parcel.sha256, served);
  }

  served(parcel: Parcel): Served {
    return this.#parcels.get(parcel.sha256)!;
  }

  give(client: string, order: UpgradeOrder): void {
    this.site.jump.sendToClient(client, { kind: 'upgrade', ...order });
  }

  /** What the client said so far, oldest first. */
  heard(client: string): FromClient[] {
    return this.#heard.get(client) ?? [];
  }

  reports(client: string): UpgradeReport[] {
    return this.heard(client).flatMap((message) => {
      if (message.kind === 'upgrade-status') return [message];
      return message.kind === 'hello' && message.upgrade ? [message.upgrade] : [];
    });
  }

  helloCount(client: string): number {
    return this.heard(client).filter((message) => message.kind === 'hello').length;
  }

  /** Keys of somebody else. */
  repositoryOfAnother(): Promise<TestRepository> {
    return TestRepository.create(mkdtempSync(join(this.directory, 'another-')));
  }

  /** Waits until `read` gives something; looks again whenever a client said something, came or went. */
  async until<T>(read: () => T | undefined | false): Promise<T> {
    for (;;) {
      const value = read();
      if (value !== undefined && value !== false) return value;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** The order's end as the client says it. */
  outcome(client: string, order: UpgradeOrder): Promise<UpgradeReport> {
    const isEnd = (report: UpgradeReport) =>
      report.order === order.order && ['done', 'failed', 'rolled-back'].includes(report.state);
    return this.until(() => this.reports(client).find(isEnd));
  }

  /** The client is connected, and its last `hello` said that it runs `version`, not on trial. */
  connectedWith(client: string, version: string): Promise<unknown> {
    return this.until(() => {
      const hello = this.heard(client).findLast((message) => message.kind === 'hello');
      return this.site.jump.isOnline(client) && hello?.software?.version === version;
    });
  }

  #hear(client: string, message: FromClient): void {
    this.#heard.set(client, [...this.heard(client), message]);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const served = this.#parcels.get(/^\/parcels\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1] ?? '');
    if (served === undefined) return void response.writeHead(404).end();
    const bytes = readFileSync(served.file).length;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (served.answer?.(request, response, from)) return;
    if (from > 0)
      response.writeHead(206, { 'content-range': `bytes ${from}-${bytes - 1}/${bytes}`, 'content-length': bytes - from });
    else response.writeHead(200, { 'content-length': bytes });
    createReadStream(served.file, { start: from }).pipe(response);
  }
}

/** A client as an installer leaves it, with its supervisor as a process. */
export class InstalledClient {
  readonly directory: string;
  readonly id: string;
  supervisor: ChildProcess | undefined;
  output = '';

  private constructor(directory: string, id: string) {
    this.directory = directory;
    this.id = id;
  }

  /** Puts `version` on this machine, enrols it, and starts it unless `start` is false. */
  static async install(
    at: UpgradeSite,
    options: { directory?: string; settings?: object; start?: boolean } = {},
  ): Promise<InstalledClient> {
    const directory = options.directory ?? mkdtempSync(join(at.directory, 'program-'));
    const folder = `${OLD_VERSION}-000000000000`;
    const bundle = join(directory, 'bundles', folder);
    const runtime = join(directory, 'runtimes', RUNTIME_FOLDER, 'bin');
    for (const made of [bundle, runtime, join(directory, 'lib')]) mkdirSync(made, { recursive: true });
    symlinkSync(process.execPath, join(runtime, 'node'));
    const text = (name: string, content: string) => writeFileSync(join(directory, name), content);
    text(`runtimes/${RUNTIME_FOLDER}/bascule-runtime.json`, JSON.stringify({ sha256: RUNTIME_SHA256 }));
    text(
      `bundles/${folder}/bascule-client.json`,
      JSON.stringify({ format: 'bascule-client/1', program: 'jump-client', version: OLD_VERSION, revision: 'abc000' }),
    );
    text(`bundles/${folder}/main.mjs`, at.mainText);
    text(`bundles/${folder}/runtime.txt`, `${RUNTIME_FOLDER}\n`);
    text(`bundles/${folder}/archive.txt`, `${'0'.repeat(64)}\n`);
    await copyFile(PTY, join(bundle, 'pty.node'));
    text('current', `${folder}\n`);
    text('supervisor.mjs', hurry(readFileSync(SUPERVISOR, 'utf8')));
    text('settings.json', JSON.stringify({ site: `https://127.0.0.1:${at.site.port}`, ...options.settings }));
    text('installed.json', JSON.stringify({ program: 'jump-client', scope: 'user', package: 'tar', unit: null, extra: [] }));
    const home = await ClientHome.open(join(directory, 'state'));
    const { client } = await enrol({
      target: at.site.target,
      token: at.site.token(),
      home,
      name: undefined,
      facts: FACTS,
      log: silent,
    });
    home.close();
    const installed = new InstalledClient(directory, client);
    if (options.start !== false) installed.start();
    return installed;
  }

  /** Starts the supervisor; `imports` is a module that is loaded into it first. */
  start(imports?: string, env: Record<string, string> = {}): ChildProcess {
    const args = [...(imports === undefined ? [] : ['--import', imports]), join(this.directory, 'supervisor.mjs')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (this.output += bytes.toString('utf8')));
    this.supervisor = child;
    return child;
  }

  async command(...args: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, [join(this.directory, 'supervisor.mjs'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += bytes.toString('utf8')));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, output };
  }

  /** Ends the supervisor and its program. */
  async stop(): Promise<void> {
    const child = this.supervisor;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  text(name: string): string | undefined {
    try {
      return readFileSync(join(this.directory, name), 'utf8').trim();
    } catch {
      return undefined;
    }
  }
}
