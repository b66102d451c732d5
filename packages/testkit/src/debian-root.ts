/** A small Debian of a test's own to install into: made once per machine with debootstrap, copied for each use, run in namespaces that end with it. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitUntil } from './wait-until.ts';

const run = promisify(execFile);

/** Names what is in the cached root: to be changed with whatever goes into it. */
const ROOT_KEY = 'debian-bookworm-minbase-amd64-1';
const SUITE = 'bookworm';
/** What a test needs in it beyond a minimal system. curl fetches for the one-liner. */
const INCLUDED = ['curl'];
/** Fetched and not installed: what a package of ours may depend on. */
const FETCHED = ['libatomic1'];
const MAKE_LIMIT_MS = 10 * 60_000;
const COMMAND_LIMIT_MS = 120_000;
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;
/** Changes with every run of dpkg and apt, whatever they install and remove. */
const BOOKKEEPING =
  /^\/(proc|sys|dev|run|tmp)\/|^\/var\/(log|cache)\/|^\/var\/lib\/apt\/|^\/var\/lib\/dpkg\/(status|available|triggers|lock|diversions|statoverride)|^\/etc\/ld\.so\.cache$|^\/root\/\.bash_history$/;

/** Why no root can be made here; undefined when it can. */
export function whyNoDebianRoot(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'a Debian root for x64 can be run on Linux x64 only';
  if (process.getuid?.() !== 0) return 'a Debian root can be made by root only';
  if (!existsSync('/usr/sbin/debootstrap') && !existsSync(cachedRoot())) return 'debootstrap is not installed';
  const namespaces = spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']);
  return namespaces.status === 0 ? undefined : 'this machine allows no mount and process namespaces';
}

function cachedRoot(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'bascule', 'roots', ROOT_KEY);
}

/**
 * Makes the cached root unless it is there. Gives how long that took, 0 when it was there, or why it could not be made (no network, for example).
 */
export async function prepareDebianRoot(): Promise<{ seconds: number } | { problem: string }> {
  const root = cachedRoot();
  if (existsSync(root)) return { seconds: 0 };
  const startedMs = Date.now();
  const making = `${root}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const options = { timeout: MAKE_LIMIT_MS, maxBuffer: OUTPUT_LIMIT_BYTES, env: cleanEnvironment() };
  try {
    await run('debootstrap', ['--variant=minbase', `--include=${INCLUDED.join(',')}`, SUITE, making], options);
    await run('chroot', [making, 'apt-get', '-q', 'update'], options);
    await run(
      'chroot',
      [making, 'apt-get', '-q', '-y', '--download-only', '--no-install-recommends', 'install', ...FETCHED],
      options,
    );
    writeFileSync(join(making, 'etc', 'hosts'), '127.0.0.1 localhost\n::1 localhost\n');
    renameSync(making, root);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    const last = `${stdout}\n${stderr}`.trim().split('\n').at(-1);
    return { problem: `the Debian root could not be made: ${last === undefined || last === '' ? message : last}` };
  }
  return { seconds: Math.round((Date.now() - startedMs) / 1000) };
}

/** Nothing of whoever runs the tests, but the proxy. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
  const proxies = kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    DEBIAN_FRONTEND: 'noninteractive',
    LC_ALL: 'C.UTF-8',
    ...Object.fromEntries(proxies),
  };
}

export interface Finished {
  code: number;
  output: string;
}

export interface DebianRootOptions {
  /** With a network of its own: a loopback, on which nobody has any port. It shares the machine's otherwise. */
  ownNetwork?: boolean;
}

/** A running copy: processes in it are in a namespace of their own, have devices and /proc, and share the network of the machine unless they have their own. */
export class DebianRoot implements AsyncDisposable {
  readonly directory: string;
  readonly #holder: ChildProcess;
  readonly #pid: number;
  readonly #namespaces: readonly string[];
  readonly #outside: ChildProcess[] = [];

  private constructor(directory: string, holder: ChildProcess, pid: number, namespaces: readonly string[]) {
    this.directory = directory;
    this.#holder = holder;
    this.#pid = pid;
    this.#namespaces = namespaces;
  }

  /** Copies the cached root and starts it. `prepareDebianRoot` first. */
  static async start({ ownNetwork = false }: DebianRootOptions = {}): Promise<DebianRoot> {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-debian-'));
    const namespaces = ['--mount', '--pid', ...(ownNetwork ? ['--net'] : [])];
    await run('cp', ['-a', '--reflink=auto', `${cachedRoot()}/.`, directory], { timeout: COMMAND_LIMIT_MS });
    const script = [
      'set -e',
      ...(ownNetwork ? ['ip link set lo up'] : []),
      'mount -t proc proc "$1/proc"',
      'mkdir -p "$1/dev/pts"',
      'mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$1/dev/pts"',
      'if [ -L "$1/dev/ptmx" ]; then :; else mount --bind "$1/dev/pts/ptmx" "$1/dev/ptmx"; fi',
      'echo ready',
      'exec sleep infinity',
    ].join('\n');
    const args = [...namespaces, '--fork', '--kill-child', '--propagation', 'private', 'sh', '-c', script, 'sh', directory];
    const holder = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await Promise.race([
      once(holder.stdout!, 'data'),
      once(holder, 'exit').then(() => Promise.reject(new Error('the namespaces of the Debian root could not be made'))),
    ]);
    const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim();
    return new DebianRoot(directory, holder, Number(children), namespaces);
  }

  /** Where a path inside lies outside. */
  path(inside: string): string {
    return join(this.directory, inside);
  }

  /** Runs a command in it and gives how it ended, whatever that was. `input` goes to its standard input. */
  async run(command: readonly string[], options: { env?: Record<string, string>; input?: string } = {}): Promise<Finished> {
    const child = this.spawn(command, options.env, 'pipe');
    let output = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => (output += data.toString()));
    child.stdin!.on('error', () => undefined);
    child.stdin!.end(options.input ?? '');
    const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_LIMIT_MS);
    // What it started may go on with its pipes: its own end counts.
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(timer);
    for (const stream of [child.stdout!, child.stderr!]) stream.destroy();
    return { code: code ?? -1, output };
  }

  /** As `run`; throws when the command fails. Gives what it said. */
  async must(command: readonly string[], options: { env?: Record<string, string>; input?: string } = {}): Promise<string> {
    const { code, output } = await this.run(command, options);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${output.trim()}`);
    return output;
  }

  /** Starts a command in it that goes on. */
  spawn(command: readonly string[], env: Record<string, string> = {}, stdio: 'pipe' | 'ignore' = 'ignore'): ChildProcess {
    const [file = '', ...args] = [...this.entry, ...command];
    return spawn(file, args, { stdio, env: { ...cleanEnvironment(), ...env }, cwd: '/' });
  }

  /** The command line on this machine that runs what follows it in the root. */
  get entry(): string[] {
    return ['nsenter', '--target', String(this.#pid), ...this.#namespaces, 'chroot', this.directory];
  }

  /** Starts a program of this machine that sees the network of the root; it ends with the root. */
  spawnOutside(command: readonly string[]): ChildProcess {
    const network = this.#namespaces.filter((namespace) => namespace === '--net');
    const args = ['--target', String(this.#pid), ...network, ...command];
    const child = spawn('nsenter', args, { stdio: 'ignore', env: cleanEnvironment(), cwd: '/' });
    this.#outside.push(child);
    return child;
  }

  /** Every file, folder and link with its mode, owner and size; without what package managers note for themselves. */
  async files(): Promise<string[]> {
    const print = ['%y %m %u:%g %p', '%l %s\\n'].join(' -> ');
    const listed = await this.must(['find', '/', '-xdev', '-printf', print]);
    return listed
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (line.startsWith('d') ? line.replace(/ -> .*$/, '') : line))
      .filter((line) => !BOOKKEEPING.test(pathIn(line)))
      .toSorted();
  }

  /** The command lines of what runs in it, but the holder. */
  async processes(): Promise<string[]> {
    const script = 'for p in /proc/[0-9]*; do [ "$p" = /proc/1 ] || { tr "\\0" " " < "$p/cmdline"; echo; }; done 2>/dev/null';
    const lines = (await this.must(['sh', '-c', script])).split('\n').map((line) => line.trim());
    return lines.filter((line) => line !== '' && !line.startsWith('sh -c for p in') && !line.startsWith('tr '));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#holder.exitCode === null ? once(this.#holder, 'exit') : undefined;
    this.#holder.kill('SIGKILL');
    for (const child of this.#outside) child.kill('SIGKILL');
    await ended;
    // The mounts go with the last process of the namespace.
    await waitUntil('the Debian root is let go', () => !existsSync(`/proc/${this.#pid}`));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

function pathIn(line: string): string {
  return /^\S+ \S+ \S+ (.*?)(?: -> |$)/.exec(line)?.[1] ?? line;
}
