/** The restore half of `backup`: how long a backup takes to be unpacked and checked, beside `age -d | zstd -d | tar x`, and how much memory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { z } from 'zod';
import { runProgram } from '../apps/base/src/restore/restore-program.ts';

const SITE = join(import.meta.dirname, '..', 'apps', 'site', 'src');
const MEMORY_LOOK_MS = 50;
/** Stock age asks for the password on its terminal. */
const ON_A_TERMINAL = `
import os, pty, sys
sent = False
def read(fd):
    global sent
    data = os.read(fd, 1024)
    if not sent and b'passphrase' in data.lower():
        os.write(fd, sys.argv[1].encode() + b'\\n')
        sent = True
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(['bash', '-o', 'pipefail', '-c', sys.argv[2]], read)))
`;

/** Unpacks the backup `file` (with a password) once by the program of the site and once by stock tools, into new folders of `work`. */
export async function measureRestore(options: {
  file: string;
  password: string;
  work: string;
}): Promise<{ restore_s: number; restore_ratio_tar: number; restore_peak_mb: number }> {
  const { file, password, work } = options;
  const stock = join(work, 'stock');
  mkdirSync(stock, { recursive: true });
  const stockStartedMs = performance.now();
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const command = `age -d ${quoted(file)} | zstd -dc | tar x -C ${quoted(stock)} && sync -f ${quoted(stock)}`;
  const [code] = (await once(spawn('python3', ['-c', ON_A_TERMINAL, password, command], { stdio: 'ignore' }), 'exit')) as [
    number,
  ];
  if (code !== 0) throw new Error(`stock tools ended with ${code}`);
  const stockMs = performance.now() - stockStartedMs;
  rmSync(stock, { recursive: true });
  const memory = watchMemory();
  const startedMs = performance.now();
  const target = join(work, 'site');
  const run = {
    software: software(),
    result: z.unknown(),
    signal: new AbortController().signal,
    log: createLog('bench', 'silent'),
  };
  await runProgram({ ...run, order: { kind: 'unpack', file, password, siteDir: join(work, 'nothing'), target } });
  await runProgram({ ...run, order: { kind: 'check', folder: target } });
  const ms = performance.now() - startedMs;
  rmSync(target, { recursive: true });
  return {
    restore_s: Number((ms / 1000).toFixed(1)),
    restore_ratio_tar: Number((ms / stockMs).toFixed(2)),
    restore_peak_mb: Math.round(memory.end() / 1e6),
  };
}

function software() {
  const program = (file: string) => join(SITE, file);
  const programs = { main: program('main.ts'), relay: program('relay-main.ts') };
  return { folder: '', version: '0', directory: SITE, node: process.execPath, runtimeDir: '/', programs };
}

/** The most that one of our children held at once, in bytes, looked at again and again. */
function watchMemory(): { end(): number } {
  let peak = 0;
  const look = (): void => {
    for (const pid of childrenOf(process.pid)) {
      try {
        const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
        peak = Math.max(peak, Number(kilobytes) * 1024);
      } catch {
        // Gone meanwhile.
      }
    }
  };
  const timer = setInterval(look, MEMORY_LOOK_MS);
  return {
    end() {
      clearInterval(timer);
      return peak;
    },
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
}
