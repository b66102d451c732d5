import { readBundleAbout } from '@bascule/client/program-folder.ts';
import { runCommand } from './commands.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { readOptions } from './options.ts';
import { installedPlace, markWorked } from './place.ts';
import { SiteRefusal } from './site-connection.ts';

const argv = process.argv.slice(2);
/** Asked by the version before, ahead of a switch: whether this one starts, and what it is. */
if (argv[0] === '--self-check') process.stdout.write(`${JSON.stringify(readBundleAbout(import.meta.dirname))}\n`);
else process.exitCode = await run();

async function run(): Promise<number> {
  const place = installedPlace();
  let exitCode;
  try {
    exitCode = await runCommand(readOptions(argv, process.env), { argv, env: process.env, worked: () => markWorked(place) });
  } catch (error) {
    exitCode = tell(error);
  }
  if (exitCode !== ExitCode.internal) markWorked(place);
  return exitCode;
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
