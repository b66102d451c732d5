import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Of a program that the helper runs: what it says beyond this is not read. */
export const OUTPUT_MAX_BYTES = 256 * 1024;
export const PROGRAM_LIMIT_MS = 3_000;

/** Where Debian has them; the first that is there. Never looked up in a path that somebody sets. */
const PLACES = {
  ip: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'],
  /** Of iputils; the other arping, in /usr/sbin, takes other options. */
  arping: ['/usr/bin/arping'],
  ndptool: ['/usr/bin/ndptool'],
  systemctl: ['/usr/bin/systemctl', '/bin/systemctl'],
} as const;
export type ProgramName = keyof typeof PLACES;

/** The program's absolute path; undefined when it is not installed. */
export function placeOf(name: ProgramName): string | undefined {
  return PLACES[name].find((place) => existsSync(place));
}

export interface Finished {
  /** Null: it was killed. */
  code: number | null;
  output: string;
  error: string;
}

/**
 * Runs the file `program` without a shell, with nothing of the helper's environment, in `/`, and in a process group of its own, which is killed at `limitMs`.
 * Never rejects: what could not be started ends with `code` null and the reason in `error`.
 */
export function run(program: string, args: readonly string[], limitMs = PROGRAM_LIMIT_MS): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      detached: true,
    });
    const said = { output: '', error: '' };
    for (const [name, stream] of [
      ['output', child.stdout],
      ['error', child.stderr],
    ] as const)
      stream.setEncoding('utf8').on('data', (piece: string) => {
        if (said[name].length < OUTPUT_MAX_BYTES) said[name] += piece.slice(0, OUTPUT_MAX_BYTES - said[name].length);
      });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (child.pid !== undefined) killGroup(child.pid);
    }, limitMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({ code: null, output: '', error: error.message });
    });
    // Not `close`: what it leaves running may keep its pipes.
    child.once('exit', (code) => {
      clearTimeout(timer);
      setImmediate(() => {
        for (const stream of [child.stdout, child.stderr]) stream.destroy();
        resolve({ code, ...said, ...(isLate && { error: `it took longer than ${limitMs / 1000} s` }) });
      });
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}
