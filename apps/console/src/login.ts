import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { me } from '@bascule/protocol/api/auth.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { begunConsoleLogin, collectedConsoleLogin } from '@bascule/protocol/api/console.ts';
import type { ConsoleHome } from './console-home.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { SiteRefusal, type SiteConnection } from './site-connection.ts';
import { aboutThisConsole } from './version.ts';

const SECRET_BYTES = 32;
const COLLECT_EVERY_MS = 1000;
/** By this machine's clock; the site keeps a code for about as long. */
const CONFIRM_LIMIT_MS = 10 * 60_000;
/** A site that restarts has forgotten who waits; the login is begun anew so often. */
const BEGIN_TRIES = 4;
const MACHINE_MAX_CHARACTERS = 128;

export interface LoginOptions {
  connection: SiteConnection;
  home: ConsoleHome;
  /** Whether a browser may be opened here. */
  browser: boolean;
  /** For the person: standard error. */
  say(text: string): void;
}

/** Logs this console in, unless it is: a person confirms a code in the browser, the console collects its own login session. Returns the user's name. */
export async function logIn(options: LoginOptions): Promise<string> {
  const { connection, home } = options;
  const already = await loggedInAs(connection);
  if (already !== undefined) return already;
  connection.useLogin(undefined);
  const endsAtMs = performance.now() + CONFIRM_LIMIT_MS;
  for (let tries = 1; ; tries++) {
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const begun = await begin(options, secret);
    const user = await collect(options, begun.id, secret, endsAtMs);
    if (user === undefined && tries < BEGIN_TRIES) {
      options.say('The site has restarted, and does not know that code any more. Here is a new one.');
      continue;
    }
    const { cookie } = connection;
    if (user === undefined || cookie === undefined) throw notConfirmed();
    const { csrf } = await connection.call('GET', 'auth/me', me);
    const login = { user, cookie, csrf };
    connection.useLogin(login);
    home.storeLogin(connection.origin, login);
    await learn(connection);
    return user;
  }
}

/** The user of a login that still holds; shells in other windows live on it, so that it is not replaced. Learns what the site says of certificates. */
async function loggedInAs(connection: SiteConnection): Promise<string | undefined> {
  if (!connection.isLoggedIn) return undefined;
  try {
    const { name } = await connection.call('GET', 'auth/me', me);
    await learn(connection);
    return name;
  } catch (error) {
    if (error instanceof SiteRefusal && error.status === 401) return undefined;
    throw error;
  }
}

/** For the day on which the certificate changes. */
async function learn(connection: SiteConnection): Promise<void> {
  await connection.about({ version: aboutThisConsole().version });
  await connection.learnAuthority();
}

/** Ends this console's login session at the site and forgets it here; the site's being away does not keep anybody from forgetting. */
export async function logOut(connection: SiteConnection, home: ConsoleHome): Promise<{ endedAtSite: boolean }> {
  try {
    if (connection.isLoggedIn) await connection.call('POST', 'auth/logout', ok);
    return { endedAtSite: true };
  } catch (error) {
    // 401: it had ended already.
    if (error instanceof SiteRefusal) return { endedAtSite: error.status === 401 };
    if (error instanceof ConsoleError && error.exitCode !== ExitCode.usage) return { endedAtSite: false };
    throw error;
  } finally {
    home.forgetLogin(connection.origin);
  }
}

type Begun = z.infer<typeof begunConsoleLogin>;

async function begin({ connection, browser, say }: LoginOptions, secret: string): Promise<Begun> {
  const begun = await connection.call('POST', 'console/logins', begunConsoleLogin, {
    secretSha256: createHash('sha256').update(secret).digest('hex'),
    machine: machineName(),
    version: aboutThisConsole().version,
  });
  const url = `${connection.origin}${begun.path}`;
  say(`Open this address in a browser, and confirm the code ${begun.code}:\n\n  ${url}\n`);
  if (browser) openBrowser(url);
  return begun;
}

/** The user's name; undefined when the site has forgotten this login before its time. */
async function collect({ connection }: LoginOptions, id: string, secret: string, endsAtMs: number): Promise<string | undefined> {
  while (performance.now() < endsAtMs) {
    await delay(COLLECT_EVERY_MS);
    let answer;
    try {
      answer = await connection.call('POST', `console/logins/${id}/collect`, collectedConsoleLogin, { secret });
    } catch (error) {
      if (error instanceof SiteRefusal && error.status === 404) return undefined;
      if (isAway(error)) continue;
      throw error;
    }
    if (answer.state === 'granted') return answer.user;
    if (answer.state === 'refused')
      throw new ConsoleError(
        ExitCode.login,
        'The login was refused in the browser, or whoever confirmed it has logged out since.',
      );
  }
  throw notConfirmed();
}

function isAway(error: unknown): boolean {
  if (error instanceof SiteRefusal) return error.status >= 500 || error.status === 429;
  return error instanceof ConsoleError && error.exitCode === ExitCode.unavailable;
}

function notConfirmed(): ConsoleError {
  return new ConsoleError(ExitCode.login, "Nobody confirmed the login in time. Run 'bascule login' again.");
}

function machineName(): string {
  const name = hostname()
    .replaceAll(/\p{Cc}/gu, '')
    .trim();
  return (name === '' ? 'unnamed machine' : name).slice(0, MACHINE_MAX_CHARACTERS);
}

/** Tries to; the address was printed anyhow. The address holds no secret: the code alone gives nobody anything. */
function openBrowser(url: string): void {
  const { platform, env } = process;
  if (platform === 'linux' && env['DISPLAY'] === undefined && env['WAYLAND_DISPLAY'] === undefined) return;
  const [program, ...start]: [string, ...string[]] =
    platform === 'win32' ? ['rundll32', 'url.dll,FileProtocolHandler'] : platform === 'darwin' ? ['open'] : ['xdg-open'];
  // The libraries of our runtime are not for other programs.
  const opener = spawn(program, [...start, url], {
    stdio: 'ignore',
    detached: true,
    env: { ...env, LD_LIBRARY_PATH: undefined },
  });
  opener.on('error', () => {});
  opener.unref();
}
