import { accessSync, constants } from 'node:fs';
import { parse } from 'node:path';
import { readLoginUser, shellEnvironment, systemProgram } from './login-user.ts';
import type { TerminalProcess } from './pty-process.ts';
import { startTerminal } from './terminal.ts';

/** A shell that neither ended nor wrote anything within this, and lives, is a shell. */
const QUIET_LIMIT_MS = 3000;
const SIZE = { cols: 80, rows: 24 };
const isWindows = process.platform === 'win32';
const FALLBACK_SHELL = isWindows ? systemProgram('cmd.exe', process.env) : '/bin/sh';
const END_AT_ONCE = isWindows ? ['/d', '/c', 'exit 0'] : ['-c', 'exit 0'];

/**
 * Opens the shell that a session would get on a pseudo-terminal, and ends it. Rejects when no process or terminal can be made. A user without a usable shell is
 * none of this program's faults: `/bin/sh` stands in. On Windows `cmd.exe` is probed in any case.
 */
export async function probeShell(): Promise<void> {
  const user = readLoginUser();
  await new Promise<void>((resolve) => {
    const shell: TerminalProcess = startTerminal({
      file: !isWindows && isExecutable(user.shell) ? user.shell : FALLBACK_SHELL,
      args: END_AT_ONCE,
      env: shellEnvironment(user, 'xterm'),
      directory: parse(process.execPath).root,
      size: SIZE,
      events: { output: () => undefined, exit: () => done() },
    });
    const done = () => {
      clearTimeout(timer);
      shell.kill('SIGKILL');
      shell.destroy();
      resolve();
    };
    const timer = setTimeout(done, QUIET_LIMIT_MS);
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
