import { setTimeout as delay } from 'node:timers/promises';
import { activeAccessSessions, openedAccessSession, type AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import { me } from '@bascule/protocol/api/auth.ts';
import type { UpgradeState } from '@bascule/protocol/api/fleet.ts';
import { jumpItem, type JumpItem } from '@bascule/protocol/api/jump.ts';
import type { TerminalSize } from '@bascule/protocol/text.ts';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { findItem } from './jump-items.ts';
import { Shell, type ShellEnd } from './shell.ts';
import { SiteRefusal, type SiteConnection } from './site-connection.ts';
import { Terminal } from './terminal.ts';

/** While the Jump Client is upgraded its place is asked for this often. */
const PLACE_EVERY_MS = 2000;
const UNDER_WAY: ReadonlySet<UpgradeState> = new Set(['waiting-for-session', 'downloading', 'restarting', 'current']);
/** Something at the site is just restarting: so many tries, so far apart. */
const OPEN_TRIES = 10;
const OPEN_AGAIN_MS = 1000;

export interface JumpOptions {
  connection: SiteConnection;
  escape: boolean;
  isNew: boolean;
  /** Standard error, for the person. */
  say(text: string): void;
  /** Called when a shell is there. */
  worked(): void;
}

const END_TEXTS: Partial<Record<EndReason, string>> = {
  [EndReason.user]: 'you ended it',
  [EndReason.administrator]: 'an administrator ended it',
  [EndReason.notResumed]: 'nobody had it open for longer than the site allows',
  [EndReason.clientAway]: 'the machine was away for longer than the site allows',
  [EndReason.recordingFailed]: 'its recording could not be written, and nothing runs unrecorded',
  [EndReason.limitReached]: 'a limit of the site was reached',
  [EndReason.clientStopped]: 'the Jump Client was stopped or the machine restarted',
  [EndReason.clientRevoked]: 'the Jump Client was revoked',
  [EndReason.userDisabled]: 'you may not use this machine any more',
  [EndReason.startFailed]: 'the machine could not start a shell',
};

/** `bascule jump NAME`: a shell; yours that goes on without a viewer, unless a new one is wanted. Returns the exit code. */
export async function jump(options: JumpOptions, wanted: string): Promise<number> {
  const { connection, isNew, say } = options;
  const terminal = Terminal.ofProcess();
  const item = await findItem(connection, wanted);
  const own = isNew ? undefined : (await ownSessions(connection)).find((one) => one.jumpItemId === item.id && one.viewers === 0);
  if (own !== undefined) {
    say(`Taking up your session on ${item.name} of ${new Date(own.startedAtMs).toLocaleString()} ('--new' opens another).`);
    return await runShell(options, terminal, { session: own.id, name: item.name });
  }
  return await runShell(options, terminal, { session: await openSession(options, item, terminal.size()), name: item.name });
}

/** `bascule resume [NAME]`: takes up a session that goes on. Returns the exit code. */
export async function resume(options: JumpOptions, wanted: string | undefined): Promise<number> {
  const terminal = Terminal.ofProcess();
  const own = await ownSessions(options.connection);
  const chosen = chooseSession(own, wanted);
  return await runShell(options, terminal, { session: chosen.id, name: chosen.jumpItemName });
}

/** The session that is meant: the only one, or the only one without a viewer, of those on a Jump Item of this name. Throws ConsoleError. */
export function chooseSession(own: AccessSessionRow[], wanted: string | undefined): AccessSessionRow {
  const fits = ({ id, jumpItemName }: AccessSessionRow) =>
    wanted === undefined || id === wanted || jumpItemName.toLowerCase().includes(wanted.toLowerCase());
  const found = own.filter(fits);
  const exact = found.filter(({ jumpItemName }) => jumpItemName.toLowerCase() === wanted?.toLowerCase());
  const candidates = exact.length > 0 ? exact : found;
  const free = candidates.filter(({ viewers }) => viewers === 0);
  const [only, second] = free.length > 0 ? free : candidates;
  if (only === undefined) {
    const where = wanted === undefined ? '' : ` on '${wanted}'`;
    throw new ConsoleError(ExitCode.notFound, `No access session of yours goes on${where}. 'bascule jump NAME' opens one.`);
  }
  if (second === undefined) return only;
  const lines = candidates.map((one) => `  ${one.id}  ${one.jumpItemName}, since ${new Date(one.startedAtMs).toLocaleString()}`);
  throw new ConsoleError(ExitCode.notFound, `Several sessions of yours go on; name one of them:\n${lines.join('\n')}`);
}

async function ownSessions(connection: SiteConnection): Promise<AccessSessionRow[]> {
  const { id } = await connection.call('GET', 'auth/me', me);
  const { sessions } = await connection.call('GET', 'access-sessions/active', activeAccessSessions);
  return sessions.filter(({ userId, state }) => userId === id && state !== 'ended');
}

/** Opens a session; waits while the Jump Client is upgraded first (B109, B110), and while the site is just restarting. Throws as `SiteConnection.call`. */
export async function openSession(
  { connection, say }: { connection: Pick<SiteConnection, 'call'>; say(text: string): void },
  item: Pick<JumpItem, 'id' | 'name'>,
  size: TerminalSize,
): Promise<string> {
  let saidPlace: string | undefined;
  let saidOffline = false;
  for (let triesLeft = OPEN_TRIES; ;) {
    try {
      const body = { jumpItemId: item.id, size };
      return (await connection.call('POST', 'access-sessions', openedAccessSession, body)).session;
    } catch (error) {
      if (!(error instanceof SiteRefusal)) throw error;
      if (error.code === 'CLIENT_UPGRADE_PENDING') {
        const place = String(error.params['place'] ?? '');
        if (place === '' && !(await isBeingUpgraded(connection, item.id))) throw error;
        if (place !== saidPlace) say(waitingText(item.name, place));
        saidPlace = place;
        await delay(PLACE_EVERY_MS);
        continue;
      }
      // Right after a restart of the site, and between an old and a new Jump Client, there is a moment without one.
      const isOffline = error.code === 'ACCESS_SESSION_ITEM_OFFLINE';
      if ((error.status !== 503 && !isOffline) || --triesLeft <= 0) throw error;
      if (isOffline && !saidOffline) say(`${item.name} is offline; waiting ${OPEN_TRIES} s for it (Ctrl-C gives up).`);
      saidOffline ||= isOffline;
      await delay(OPEN_AGAIN_MS);
    }
  }
}

/** Without a place in the queue: whether that is so because its turn has come, and not because the queue is off or it failed. */
async function isBeingUpgraded(connection: Pick<SiteConnection, 'call'>, id: string): Promise<boolean> {
  const { upgrade } = await connection.call('GET', `jump/items/${id}`, jumpItem);
  return UNDER_WAY.has(upgrade);
}

function waitingText(name: string, place: string): string {
  const where = place === '' ? 'It is upgraded right now' : `Its place in the queue is ${place}`;
  return `${name} waits for its upgrade, and was moved to the front. ${where}; the shell opens by itself (Ctrl-C gives up).`;
}

async function runShell(
  { connection, escape, say, worked }: JumpOptions,
  terminal: Terminal,
  { session, name }: { session: string; name: string },
): Promise<number> {
  // On the terminal itself words would stand in the far program's screen; there the title line tells.
  const sayBeside = process.stderr.isTTY ? () => undefined : say;
  const end = await new Shell({ connection, session, name, terminal, escape, say: sayBeside, worked }).run();
  return tellEnd(end, name, say);
}

/** Says how it ended where that is not plain, and gives the exit code. Throws what the site refused with. */
function tellEnd(end: ShellEnd, name: string, say: (text: string) => void): number {
  const unsent = (bytes: number) => (bytes === 0 ? '' : ` ${bytes} bytes of what you typed last may not have arrived.`);
  switch (end.kind) {
    case 'exited':
      return end.code;
    case 'left':
      say(`You left ${name}. The session goes on: 'bascule resume' takes it up.${unsent(end.unsent)}`);
      return ExitCode.done;
    case 'ended':
      say(`The session on ${name} has ended: ${END_TEXTS[end.reason] ?? end.reason}.`);
      return ExitCode.sessionEnded;
    case 'refused':
      if (end.error instanceof SiteRefusal && end.error.status === 401)
        throw new ConsoleError(
          ExitCode.login,
          `Your login has ended. The session on ${name} goes on: 'bascule resume' logs you in and takes it up.${unsent(end.unsent)}`,
        );
      throw end.error instanceof SiteRefusal || end.error instanceof ConsoleError
        ? end.error
        : new ConsoleError(
            ExitCode.sessionEnded,
            `The session on ${name} is over here: ${end.error.message}.${unsent(end.unsent)}`,
          );
  }
}
