import { ConptyProcess } from './conpty-process.ts';
import { PtyProcess, type TerminalOptions, type TerminalProcess } from './pty-process.ts';

/** Starts a process on a terminal of its own: a pseudo-terminal, on Windows a pseudo-console. Throws when none can be made. */
export function startTerminal(options: TerminalOptions): TerminalProcess {
  return process.platform === 'win32' ? new ConptyProcess(options) : new PtyProcess(options);
}
