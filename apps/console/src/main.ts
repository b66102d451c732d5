import { runCommand } from './commands.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { readOptions } from './options.ts';
import { SiteRefusal } from './site-connection.ts';

try {
  process.exitCode = await runCommand(readOptions(process.argv.slice(2), process.env), process.env);
} catch (error) {
  process.exitCode = tell(error);
}

/** Says what went wrong, and gives the exit code. */
function tell(error: unknown): ExitCode {
  if (error instanceof ConsoleError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof SiteRefusal) {
    process.stderr.write(`${error.message}\n`);
    if (error.status === 401) return ExitCode.login;
    if (error.status === 404) return ExitCode.notFound;
    return error.status === 409 || error.status === 429 || error.status === 503 ? ExitCode.later : ExitCode.unavailable;
  }
  process.stderr.write(`This is a mistake in bascule itself; please report it.\n${(error as Error).stack ?? String(error)}\n`);
  return ExitCode.internal;
}
