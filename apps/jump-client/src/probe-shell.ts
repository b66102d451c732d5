import { accessSync, constants } from 'node:fs';
import { readLoginUser, shellEnvironment } from './login-user.ts';
import { PtyProcess } from './pty-process.ts';

/** A shell that neither ended nor wrote anything within this, and lives, is a shell. */
const QUIET_LIMIT_MS = 3000;
const SIZE = { cols: 80, rows: 24 };
const FALLBACK_SHELL = '/bin/sh';

/**
 * Opens the shell that a session would get on a pseudo-terminal, and ends it. Rejects when no process or terminal can be made. A user without a usable shell is
 * none of this program's faults: `/bin/sh` stands in.
 */
export async function probeShell(): Promise<void> {
  const user = readLoginUser();
  await new Promise<void>((resolve) => {
    const shell: PtyProcess = new PtyProcess({
      file: isExecutable(user.shell) ? user.shell : FALLBACK_SHELL,
      args: ['-c', 'exit 0'],
      env: shellEnvironment(user, 'xterm'),
      directory: '/',
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
