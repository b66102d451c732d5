import { createInterface } from 'node:readline/promises';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { ConsoleHome, consoleFolder } from './console-home.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { jump, resume } from './jump.ts';
import { listItems } from './jump-items.ts';
import { logIn, logOut } from './login.ts';
import { USAGE, type Command, type ConsoleOptions } from './options.ts';
import { installedPlace } from './place.ts';
import { SiteConnection, SiteRefusal } from './site-connection.ts';
import { isFingerprintOf, type ShownCertificate } from './site-trust.ts';
import { upgradeFirst } from './upgrade.ts';
import { aboutThisConsole } from './version.ts';

/** The console upgrades itself before these; the others must work whatever the site has. */
const UPGRADING_COMMANDS: ReadonlySet<Command> = new Set(['login', 'ls', 'jump', 'resume']);

/** Standard error: what is for the person, and never for a program that reads standard output. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export interface CommandSurroundings {
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Called when this version has shown that it does its work. */
  worked(): void;
}

/** Carries out one command. Returns the exit code; throws ConsoleError or SiteRefusal. */
export async function runCommand(options: ConsoleOptions, { argv, env, worked }: CommandSurroundings): Promise<number> {
  if (options.command === 'help') {
    process.stdout.write(USAGE);
    return ExitCode.done;
  }
  const home = new ConsoleHome(consoleFolder(env));
  const connection = connect(options, home);
  try {
    if (UPGRADING_COMMANDS.has(options.command)) await upgradeFirst({ connection, argv, env, say });
    return await new Commands(options, home, connection, worked).run();
  } finally {
    connection.close();
  }
}

function connect(options: ConsoleOptions, home: ConsoleHome): SiteConnection {
  const current = home.currentSite() ?? installedPlace()?.settings().site ?? undefined;
  const site = options.site ?? (current === undefined ? undefined : new URL(current));
  if (site === undefined) throw new ConsoleError(ExitCode.usage, "Which site? Say so once: 'bascule login https://SITE'.");
  const confirm =
    options.command === 'login'
      ? (shown: ShownCertificate, isChanged: boolean) => confirmCertificate(site.origin, shown, isChanged, options.fingerprint)
      : undefined;
  return new SiteConnection({ site, home, ...(confirm && { confirm }) });
}

class Commands {
  readonly #options: ConsoleOptions;
  readonly #home: ConsoleHome;
  readonly #connection: SiteConnection;
  readonly #worked: () => void;

  constructor(options: ConsoleOptions, home: ConsoleHome, connection: SiteConnection, worked: () => void) {
    this.#worked = worked;
    this.#options = options;
    this.#home = home;
    this.#connection = connection;
  }

  async run(): Promise<number> {
    const { command, argument, escape, isNew } = this.#options;
    const jumping = { connection: this.#connection, escape, isNew, say, worked: this.#worked };
    switch (command) {
      case 'login':
        await this.#logIn();
        return ExitCode.done;
      case 'logout':
        return await this.#logOut();
      case 'ls':
        return await this.#loggedIn(() => this.#list(argument));
      case 'jump':
        return await this.#loggedIn(() => jump(jumping, argument ?? ''));
      case 'resume':
        return await this.#loggedIn(() => resume(jumping, argument));
      case 'about':
        return await this.#about();
      case 'help':
        return ExitCode.done;
    }
  }

  async #logIn(): Promise<void> {
    const { browser } = this.#options;
    const user = await logIn({ connection: this.#connection, home: this.#home, browser, say });
    say(`Logged in to ${this.#connection.origin} as ${user}. ('bascule logout' ends it.)`);
  }

  /** Does `work`; a person at a terminal whose login has ended logs in first. */
  async #loggedIn(work: () => Promise<number>): Promise<number> {
    const isPersonThere = process.stdin.isTTY && process.stderr.isTTY;
    try {
      if (this.#connection.isLoggedIn) return await work();
    } catch (error) {
      if (!(error instanceof SiteRefusal) || error.status !== 401) throw error;
      this.#connection.useLogin(undefined);
    }
    if (!isPersonThere) throw new ConsoleError(ExitCode.login, "You are not logged in: run 'bascule login' first.");
    say('You are not logged in.');
    await this.#logIn();
    return await work();
  }

  async #logOut(): Promise<number> {
    const { endedAtSite } = await logOut(this.#connection, this.#home);
    say(
      endedAtSite
        ? `Logged out of ${this.#connection.origin}.`
        : `Forgotten here, but ${this.#connection.origin} could not be told: end the login under /login > My Account.`,
    );
    return ExitCode.done;
  }

  async #list(text: string | undefined): Promise<number> {
    const { items, total } = await listItems(this.#connection, text);
    if (this.#options.json) {
      print(JSON.stringify(items.map(shortItem), null, 2));
      return ExitCode.done;
    }
    if (items.length === 0) say(text === undefined ? 'There are no Jump Items that you may see.' : `No Jump Item has '${text}'.`);
    else print(table(items));
    if (items.length < total) say(`${total - items.length} more: 'bascule ls TEXT' narrows the list.`);
    return ExitCode.done;
  }

  async #about(): Promise<number> {
    const own = aboutThisConsole();
    const site = await this.#connection.about({ version: own.version });
    const { place } = this.#connection;
    const about = {
      console: own,
      site: {
        address: this.#connection.origin,
        ...(place !== undefined && { connectedTo: place }),
        name: site.site,
        version: site.version,
        revision: site.revision,
      },
    };
    if (this.#options.json) print(JSON.stringify(about, null, 2));
    else
      print(
        `This console:  ${own.version} (build ${own.revision})\nThe site:      ${site.version} (build ${site.revision}), ${site.site}, ${this.#connection.origin}${place === undefined ? '' : `, connected to ${place}`}`,
      );
    return ExitCode.done;
  }
}

function shortItem(item: JumpItem) {
  const { id, name, groupName, hostName, os, online, state, version, revision, upgrade, sessions, tags } = item;
  return { id, name, group: groupName, hostName, os, online, state, version, revision, upgrade, sessions, tags };
}

/** What `ls` says of a client to people; `--json` has the states themselves. */
export const STATE_WORDS: Readonly<Record<JumpItem['upgrade'] | JumpItem['state'], string>> = {
  current: 'current',
  pending: 'upgrade pending',
  'waiting-for-session': 'waiting for a session',
  downloading: 'downloading an upgrade',
  restarting: 'restarting',
  failed: 'upgrade failed',
  'rolled-back': 'upgrade rolled back',
  unsupported: 'cannot upgrade itself',
  ahead: 'newer than the site',
  approved: 'approved',
  'waiting-for-approval': 'waiting for approval',
  'to-be-confirmed': 'to be confirmed',
  revoked: 'revoked',
};

/** Columns as wide as their longest text. */
function table(items: JumpItem[]): string {
  const rows = items.map((item) => [
    item.name,
    item.groupName ?? '-',
    item.online ? 'online' : 'offline',
    STATE_WORDS[item.state === 'approved' ? item.upgrade : item.state],
    item.version,
    item.hostName,
  ]);
  const all = [['NAME', 'GROUP', 'LINK', 'STATE', 'VERSION', 'HOST'], ...rows].map((row) => row.map(printable));
  const widths = (all[0] ?? []).map((_title, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What machines say of themselves must not move the cursor. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\u{FFFD}');
}

async function confirmCertificate(
  origin: string,
  shown: ShownCertificate,
  isChanged: boolean,
  expected: string | undefined,
): Promise<boolean> {
  if (expected !== undefined) return isFingerprintOf(expected, shown);
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  say(
    `${isChanged ? 'The certificate has changed, and the new one is' : 'The certificate of this site is'} not known to this machine (${shown.problem ?? 'unknown'}).
  ${origin}
  SHA-256 fingerprint ${shown.sha256}
An administrator reads the right one in under /appliance > Status > Basics. Do not go on when it differs.`,
  );
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question('Is it the same? Type yes to trust it from now on: ');
    return answer.trim().toLowerCase() === 'yes';
  } finally {
    lines.close();
  }
}
