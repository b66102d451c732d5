import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ProxyOptions } from '@bascule/client/dial.ts';
import { UsageError } from '@bascule/client/usage-error.ts';
import { parseInstallerToken } from '@bascule/protocol/control-link.ts';

export interface ClientOptions {
  host: string;
  port: number;
  /** For enrolling; not needed any more once the home holds a certificate. */
  token: string | undefined;
  home: string;
  name: string | undefined;
  proxy: ProxyOptions | undefined;
  /** End instead of coming back when the control link breaks. */
  once: boolean;
  /** Only enrol, then end (the installer does so before it starts the service). */
  enrolOnly: boolean;
}

/** How to call this program: `command` is what the person typed, from BASCULE_COMMAND. */
const usage = (command = 'bascule-jump-client') =>
  `Usage: ${command} --site https://HOST[:PORT] [--token TOKEN] [--home DIR] [--name NAME] [--proxy http://[USER:PASSWORD@]HOST:PORT] [--once] [--enrol]
Every option can also come from the environment: BASCULE_SITE, BASCULE_TOKEN, BASCULE_CLIENT_HOME, BASCULE_NAME, BASCULE_PROXY (or HTTPS_PROXY, NO_PROXY).
BASCULE_SHELL names a program that sessions get in place of the user's login shell.`;

const NAME_LIMIT = 128;

/** Reads command line and environment; the command line wins. Throws UsageError that names the option. */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ClientOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        site: { type: 'string' },
        token: { type: 'string' },
        home: { type: 'string' },
        name: { type: 'string' },
        proxy: { type: 'string' },
        once: { type: 'boolean', default: false },
        enrol: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage(env['BASCULE_COMMAND'])}`);
  }
  const siteText = values.site ?? env['BASCULE_SITE'];
  if (siteText === undefined || siteText === '')
    throw new UsageError(`--site is missing: give the appliance's address.\n${usage(env['BASCULE_COMMAND'])}`);
  const site = readUrl('--site', siteText, 'https:');
  const token = values.token ?? (env['BASCULE_TOKEN'] === '' ? undefined : env['BASCULE_TOKEN']);
  if (token !== undefined && parseInstallerToken(token) === undefined) {
    throw new UsageError(
      '--token is not an installer token: it begins with bjt1. and is copied whole from the page that made it.',
    );
  }
  const name = values.name ?? env['BASCULE_NAME'];
  if (name !== undefined && (name.length > NAME_LIMIT || /\p{Cc}/u.test(name))) {
    throw new UsageError(`--name must be one line of at most ${NAME_LIMIT} characters.`);
  }
  const host = site.hostname.replace(/^\[|\]$/g, '');
  const port = site.port === '' ? 443 : Number(site.port);
  return {
    host,
    port,
    token,
    home: values.home ?? env['BASCULE_CLIENT_HOME'] ?? join(homedir(), '.local', 'share', 'bascule-jump-client', 'state'),
    name: name === '' ? undefined : name,
    proxy: readProxy(values.proxy ?? env['BASCULE_PROXY'], host, env),
    once: values.once || values.enrol,
    enrolOnly: values.enrol,
  };
}

function readUrl(option: string, text: string, protocol: string): URL {
  const url = URL.parse(text.includes('://') ? text : `${protocol}//${text}`);
  if (url === null || url.protocol !== protocol || url.hostname === '')
    throw new UsageError(`${option} must be an address like ${protocol}//host:port.`);
  return url;
}

/** The proxy to go through: `explicit`, else HTTPS_PROXY unless NO_PROXY names the host. */
function readProxy(explicit: string | undefined, host: string, env: NodeJS.ProcessEnv): ProxyOptions | undefined {
  const fromEnvironment = env['HTTPS_PROXY'] ?? env['https_proxy'];
  const text = explicit ?? (isExcluded(host, env['NO_PROXY'] ?? env['no_proxy'] ?? '') ? undefined : fromEnvironment);
  if (text === undefined || text === '') return undefined;
  const url = readUrl(explicit === undefined ? 'HTTPS_PROXY' : '--proxy', text, 'http:');
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    authorization: url.username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
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
