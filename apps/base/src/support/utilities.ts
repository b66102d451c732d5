/** Network utilities (Support > Utilities): what an administrator tries when something is not reached. No shell, one at a time for each person. */
import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import net from 'node:net';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Utility, UtilityAnswer } from '@bascule/protocol/api/support.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';

export const TCP_LIMIT_MS = 10_000;
export const DNS_LIMIT_MS = 10_000;
/** Of ping and traceroute; they are killed then. */
export const PROGRAM_LIMIT_MS = 30_000;
export const OUTPUT_MAX_BYTES = 32 * 1024;
/** Of all people together. */
export const RUNNING_MAX = 4;

/** Where Debian has them; never looked up in a path that somebody sets. */
const PLACES = {
  ping: ['/usr/bin/ping', '/bin/ping'],
  traceroute: ['/usr/bin/traceroute', '/usr/sbin/traceroute', '/usr/bin/traceroute.db'],
} as const;

const used = defineAuditEvent<{ utility: string; target: string }>('NETWORK_UTILITY_USED', 'Tried {utility} with {target}');

/** Runs them for people. */
export class Utilities {
  readonly #store: Store;
  readonly #places: Record<keyof typeof PLACES, readonly string[]>;
  readonly #busy = new Set<string>();

  /** `places`: other programs, for tests. */
  constructor(store: Store, places: Record<keyof typeof PLACES, readonly string[]> = PLACES) {
    this.#store = store;
    this.#places = places;
  }

  /** Throws `UTILITY_RUNNING`, `UTILITY_ABSENT`. Ends early with `signal`. */
  async run(context: Context, utility: Utility, signal: AbortSignal): Promise<UtilityAnswer> {
    const who = context.actor.id ?? context.actor.name;
    if (this.#busy.has(who) || this.#busy.size >= RUNNING_MAX)
      throw new AppError('conflict', 'UTILITY_RUNNING', 'Another one is running; wait for its end.');
    this.#busy.add(who);
    const startedMs = performance.now();
    try {
      const about = utility.kind === 'tcp' ? `${utility.target}, port ${utility.port}` : utility.target;
      this.#store.transact(context, used({ utility: utility.kind, target: about }), () => undefined);
      const answer = await this.#run(utility, signal);
      return { ...answer, durationMs: Math.round(performance.now() - startedMs) };
    } finally {
      this.#busy.delete(who);
    }
  }

  #run(utility: Utility, signal: AbortSignal): Promise<Omit<UtilityAnswer, 'durationMs'>> {
    if (utility.kind === 'tcp') return tryTcp(bare(utility.target), utility.port, signal);
    if (utility.kind === 'dns') return lookUp(utility.target, utility.type);
    const program = this.#programOf(utility.kind);
    // `--` ends the options: whatever the target is called, it is a target.
    const args =
      utility.kind === 'ping'
        ? ['-c', String(utility.count), '-w', String(utility.count + 10), '--', bare(utility.target)]
        : ['-m', '30', '-w', '2', '-q', '1', '--', bare(utility.target)];
    return runProgram(program, args, signal);
  }

  #programOf(name: keyof typeof PLACES): string {
    const place = this.#places[name].find((each) => existsSync(each));
    if (place === undefined)
      throw new AppError('conflict', 'UTILITY_ABSENT', `The program ${name} is not installed on this machine.`, {
        params: { name },
      });
    return place;
  }
}

/** An IPv6 address may stand in brackets. */
const bare = (target: string): string => target.replace(/^\[(.*)\]$/, '$1');

function tryTcp(host: string, port: number, signal: AbortSignal): Promise<Omit<UtilityAnswer, 'durationMs'>> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const socket = net.connect({ host, port });
    const tried: string[] = [];
    const finish = (ok: boolean, text: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ok, output: [...tried, text].join('\n') });
    };
    const timer = setTimeout(() => finish(false, `No answer within ${TCP_LIMIT_MS / 1000} s.`), TCP_LIMIT_MS);
    signal.addEventListener('abort', () => finish(false, 'Stopped.'), { once: true });
    socket.on('connectionAttemptFailed', (address, _port, _family, error) => tried.push(`${address}: ${error.message}`));
    socket.once('connect', () => {
      const tookMs = Math.round(performance.now() - startedMs);
      finish(true, `Connected to ${socket.remoteAddress} port ${port} from ${socket.localAddress} in ${tookMs} ms.`);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => finish(false, error.message || (error.code ?? 'It failed.')));
  });
}

async function lookUp(name: string, type: Extract<Utility, { kind: 'dns' }>['type']): Promise<Omit<UtilityAnswer, 'durationMs'>> {
  const resolver = new Resolver({ timeout: DNS_LIMIT_MS / 4, tries: 2 });
  const heading = `Asked ${resolver.getServers().join(', ')} for ${type} of ${name}`;
  const late = setTimeout(() => resolver.cancel(), DNS_LIMIT_MS);
  try {
    const isReverse = type === 'PTR' && isIP(bare(name)) !== 0;
    const records: unknown = isReverse ? await resolver.reverse(bare(name)) : await resolver.resolve(name, type);
    const lines = (records as unknown[]).map((record) => (typeof record === 'string' ? record : JSON.stringify(record)));
    return { ok: true, output: shortened([heading, ...lines].join('\n')) };
  } catch (error) {
    return { ok: false, output: `${heading}\n${(error as Error).message}` };
  } finally {
    clearTimeout(late);
  }
}

/** Runs `program` without a shell, with nothing of our environment, in a process group of its own that is killed at the limit. */
function runProgram(program: string, args: readonly string[], signal: AbortSignal): Promise<Omit<UtilityAnswer, 'durationMs'>> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      detached: true,
    });
    let output = '';
    let ending = '';
    const hear = (piece: string): void => {
      if (output.length < OUTPUT_MAX_BYTES) output += piece;
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear);
    const kill = (why: string): void => {
      ending = why;
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const stop = (): void => kill('\nStopped.');
    const timer = setTimeout(() => kill(`\nStopped after ${PROGRAM_LIMIT_MS / 1000} s.`), PROGRAM_LIMIT_MS);
    signal.addEventListener('abort', stop, { once: true });
    const finish = (code: number | null): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve({ ok: code === 0, output: shortened(output) + ending });
    };
    child.once('error', (error) => {
      output += error.message;
      finish(null);
    });
    child.once('close', finish);
  });
}

function shortened(text: string): string {
  return text.length > OUTPUT_MAX_BYTES ? `${text.slice(0, OUTPUT_MAX_BYTES)}\n…` : text;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}
