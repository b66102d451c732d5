/** The whole of a client program: commands for a person, self-check, enrolment, and then its life under the supervisor. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createLog, type Log } from '@bascule/log/log.ts';
import type { ClientBundleAbout } from '@bascule/protocol/client-program.ts';
import { EXIT_NO_SHELL } from './candidate.ts';
import { ClientHome } from './client-home.ts';
import { ConnectedClient } from './connected-client.ts';
import type { Face } from './face.ts';
import { askLocally, LOCAL_COMMANDS, LocalControl, type LocalCommand } from './local-control.ts';
import { answerLocally } from './local-answers.ts';
import { openHome } from './opened-home.ts';
import { programFolder, readOptions, stateDirectory } from './options.ts';
import { plainLog } from './plain-log.ts';
import { runningProgram } from './running-program.ts';
import { SupervisorChannel } from './supervisor-channel.ts';
import { plannedRemoval, removeProgram } from './uninstall.ts';
import { UsageError } from './usage-error.ts';

/** When a person has to mend something first. */
const EXIT_USAGE = 2;
/** The program that was asked about does not run. */
const EXIT_NOT_RUNNING = 3;

/** Runs `face` as this process; gives the exit code. */
export async function runProgram(face: Face, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Whoever read it may be gone: words for nobody must not end the program.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const about = runningProgram(face.program);
    const [command] = argv;
    if (command === '--self-check') return await selfCheck(face, about);
    if (command === '--version') return say(`${face.command} ${about.version} (${about.revision})`);
    if (isLocalCommand(command)) return await ask(face, command, env);
    const log = createLog(face.program, undefined, process.stdout.isTTY ? plainLog(process.stdout) : undefined);
    const program = await compose(face, argv, env, log);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void program.stop());
    await program.run();
    await program.close();
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_USAGE;
  }
}

export interface ComposedProgram {
  run(): Promise<void>;
  stop(): Promise<void>;
  /** Lets the home go; removes the whole program when that is what it was asked for. */
  close(): Promise<void>;
}

/** Builds the program from command line, environment and settings.json. Throws UsageError. */
export async function compose(face: Face, argv: readonly string[], env: NodeJS.ProcessEnv, log: Log): Promise<ComposedProgram> {
  const options = readOptions(argv, env, face);
  const supervisor = SupervisorChannel.ofProcess(env);
  // Not for the eyes of the shells that are started.
  for (const name of ['BASCULE_TOKEN', 'BASCULE_SUPERVISOR', 'BASCULE_PROGRAM_FOLDER']) delete env[name];
  // Before the home is opened: that it is taken says nothing against this version.
  supervisor?.started();
  const home =
    supervisor === undefined
      ? await ClientHome.open(options.home)
      : await openHome(options.home, log, () => supervisor.alreadyRuns());
  const about = runningProgram(face.program);
  const client = new ConnectedClient({ options, face, about, home, supervisor, log });
  const answer = async (command: LocalCommand) => ({
    ...(await answerLocally(command, client, { about, options })),
    supervised: supervisor?.isKeeping ?? false,
  });
  const control = await LocalControl.open(options.home, answer, (error) => log.warn({ err: error }, 'cannot-be-asked-locally'));
  let end: Awaited<ReturnType<typeof client.run>> = 'stopped';
  return {
    run: async () => void (end = await client.run()),
    stop: () => client.stop(),
    close: async () => {
      control.close();
      home.close();
      if (end !== 'uninstall') return;
      await removeProgram(plannedRemoval(options.folder));
      supervisor?.uninstalled();
    },
  };
}

/** Says what this bundle is, and that it can do here what it is for. */
async function selfCheck(face: Face, about: ClientBundleAbout): Promise<number> {
  try {
    await face.probeShell?.();
  } catch (error) {
    process.stderr.write(`No shell can be opened: ${(error as Error).message}\n`);
    return EXIT_NO_SHELL;
  }
  return say(JSON.stringify(about));
}

async function ask(face: Face, command: LocalCommand, env: NodeJS.ProcessEnv): Promise<number> {
  const answer = await askLocally(stateDirectory(face.program, env), command).catch((error: NodeJS.ErrnoException) => {
    const isForbidden = error.code === 'EACCES' || error.code === 'EPERM';
    throw new UsageError(isForbidden ? 'Only the user that the program runs as, or root, may ask it.' : error.message);
  });
  if (answer !== undefined) {
    for (const line of answer.lines) process.stdout.write(`${line}\n`);
    return answer.code;
  }
  if (command !== 'uninstall') {
    const wait = waitsForKey(face, env);
    if (wait !== undefined) throw new UsageError(wait);
    process.stdout.write('It is not running. Start its service, or the computer anew.\n');
    return EXIT_NOT_RUNNING;
  }
  await removeProgram(plannedRemoval(programFolder(env)));
  return say('Removed. The appliance still lists this client as offline: delete it there.');
}

/** Of a program that was installed and never enrolled: its launcher waits (client-supervisor.md, section 6). Undefined for any other. */
function waitsForKey({ program }: Face, env: NodeJS.ProcessEnv): string | undefined {
  const folder = programFolder(env);
  if (folder === undefined || existsSync(join(stateDirectory(program, env), 'identity.json'))) return undefined;
  if (existsSync(join(folder.directory, 'key')))
    return 'It has a key and is not enrolled yet: it tries again by itself. Its log says why.';
  return `It waits for a key: run 'bascule-${program} enrol${process.platform === 'win32' ? ' FILE' : ''}'.`;
}

function say(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}

function isLocalCommand(text: string | undefined): text is LocalCommand {
  return (LOCAL_COMMANDS as readonly (string | undefined)[]).includes(text);
}
