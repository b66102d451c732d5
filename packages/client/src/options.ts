import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseInstallerToken } from '@bascule/protocol/control-link.ts';
import type { ProxyOptions } from './dial.ts';
import { ProgramFolder } from './program-folder.ts';
import { UsageError } from './usage-error.ts';

export interface ClientOptions {
  host: string;
  port: number;
  /** For enrolling; not needed any more once the home holds a certificate. */
  token: string | undefined;
  home: string;
  /** Where the program is installed (docs/spec/client-supervisor.md); undefined when it runs from a checkout. */
  folder: ProgramFolder | undefined;
  name: string | undefined;
  proxy: ProxyOptions | undefined;
  /** End instead of coming back when the control link breaks. */
  once: boolean;
  /** Only enrol, then end (the installer does so before it starts the service). */
  enrolOnly: boolean;
  /** The supervisor tries this version: it has to prove itself. */
  trial: boolean;
}

/** How to call this program: `command` is what the person typed, from BASCULE_COMMAND, else the program's own name. */
const usage = (command: string) =>
  `Usage: ${command} --site https://HOST[:PORT] [--token TOKEN] [--home DIR] [--name NAME] [--proxy http://[USER:PASSWORD@]HOST:PORT] [--once] [--enrol]
       ${command} status | check-in | uninstall
Every option can also come from the environment: BASCULE_SITE, BASCULE_TOKEN, BASCULE_CLIENT_HOME, BASCULE_NAME, BASCULE_PROXY (or HTTPS_PROXY, NO_PROXY).
BASCULE_SHELL names a program that sessions get in place of the user's login shell.`;

const NAME_LIMIT = 128;

/** The folder that the supervisor, or the launcher, started this program from. */
export function programFolder(env: NodeJS.ProcessEnv): ProgramFolder | undefined {
  const directory = env['BASCULE_PROGRAM_FOLDER'];
  return directory === undefined || directory === '' ? undefined : new ProgramFolder(directory);
}

/** Where key and identity lie unless `--home` says so: beside the program, else below the user's home as `program`. */
export function stateDirectory(program: string, env: NodeJS.ProcessEnv, given?: string): string {
  const folder = programFolder(env);
  const beside = folder === undefined ? join(homedir(), '.local', 'share', `bascule-${program}`) : folder.directory;
  return given ?? env['BASCULE_CLIENT_HOME'] ?? join(beside, 'state');
}

/** Reads command line, environment and settings.json; each wins over what comes after it. Throws UsageError that names the option. */
export function readOptions(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { program, command }: { program: string; command: string },
): ClientOptions {
  const howTo = usage(env['BASCULE_COMMAND'] ?? command);
  const values = readArguments(argv, howTo);
  const folder = programFolder(env);
  const settings = folder?.settings();
  const siteText = values.site ?? env['BASCULE_SITE'] ?? settings?.site ?? '';
  if (siteText === '') throw new UsageError(`--site is missing: give the appliance's address.\n${howTo}`);
  const site = readUrl('--site', siteText, 'https:');
  const token = values.token ?? (env['BASCULE_TOKEN'] === '' ? undefined : env['BASCULE_TOKEN']);
  if (token !== undefined && parseInstallerToken(token) === undefined) {
    throw new UsageError(
      '--token is not an installer token: it begins with bjt1. and is copied whole from the page that made it.',
    );
  }
  const name = values.name ?? env['BASCULE_NAME'] ?? settings?.name ?? undefined;
  if (name !== undefined && (name.length > NAME_LIMIT || /\p{Cc}/u.test(name))) {
    throw new UsageError(`--name must be one line of at most ${NAME_LIMIT} characters.`);
  }
  const host = site.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: site.port === '' ? 443 : Number(site.port),
    token,
    home: stateDirectory(program, env, values.home),
    folder,
    name: name === '' ? undefined : name,
    proxy: readProxy(values.proxy ?? env['BASCULE_PROXY'], host, env, settings?.proxy ?? undefined),
    once: values.once || values.enrol,
    enrolOnly: values.enrol,
    trial: values.trial,
  };
}

function readArguments(argv: readonly string[], howTo: string) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        site: { type: 'string' },
        token: { type: 'string' },
        home: { type: 'string' },
        name: { type: 'string' },
        proxy: { type: 'string' },
        once: { type: 'boolean', default: false },
        enrol: { type: 'boolean', default: false },
        trial: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${howTo}`);
  }
}

function readUrl(option: string, text: string, protocol: string): URL {
  const url = URL.parse(text.includes('://') ? text : `${protocol}//${text}`);
  if (url === null || url.protocol !== protocol || url.hostname === '')
    throw new UsageError(`${option} must be an address like ${protocol}//host:port.`);
  return url;
}

/** The proxy to go through: `explicit`, else HTTPS_PROXY unless NO_PROXY names the host, else what was `set` on this machine. */
function readProxy(
  explicit: string | undefined,
  host: string,
  env: NodeJS.ProcessEnv,
  set: string | undefined,
): ProxyOptions | undefined {
  const fromEnvironment = env['HTTPS_PROXY'] ?? env['https_proxy'];
  const isDirect = isExcluded(host, env['NO_PROXY'] ?? env['no_proxy'] ?? '');
  const text = explicit ?? (isDirect ? undefined : (fromEnvironment ?? set));
  if (text === undefined || text === '') return undefined;
  const option = explicit === undefined ? 'HTTPS_PROXY' : '--proxy';
  const url = readUrl(option, text, 'http:');
  const credentials = `${decoded(option, url.username)}:${decoded(option, url.password)}`;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    authorization: url.username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

/** User or password of a proxy. What is wrong with it is said without it: it is a secret. */
function decoded(option: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new UsageError(`${option}: user or password holds a % that is not an escape of UTF-8: write %25 for a % itself.`);
  }
}

/** NO_PROXY as curl reads it: a list of names (with all below them) or `*`. */
function isExcluded(host: string, list: string): boolean {
  return list
    .split(',')
    .map((entry) =>
      entry
        .trim()
        .toLowerCase()
        .replace(/^\*?\./, ''),
    )
    .some(
      (entry) => entry === '*' || (entry !== '' && (host.toLowerCase() === entry || host.toLowerCase().endsWith(`.${entry}`))),
    );
}
