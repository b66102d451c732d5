import { parseArgs } from 'node:util';
import { ConsoleError, ExitCode } from './exit-code.ts';

export const USAGE = `bascule: shells on the machines of a Bascule site, in your own terminal.

  bascule login [https://SITE]   logs in through the browser; the site is remembered
  bascule logout                 ends this console's login
  bascule ls [TEXT]              lists the Jump Items you may see, or those with TEXT in name, group or host
  bascule jump NAME              opens a shell on a Jump Item, or takes up yours; GROUP/NAME when several have the name
  bascule resume [NAME]          takes up an access session that goes on
  bascule about                  version and build of this console and of the site

Options:
  --site https://SITE   another site than that of the last login
  --fingerprint SHA256  login: the certificate to expect, instead of asking
  --no-browser          login: only print the address to open
  --new                 jump: a new session even if one of yours goes on
  --no-escape           jump, resume: ~. is passed on
  --json                ls, about: for programs
  -h, --help            this

In a shell: Enter ~ .  leaves it; it goes on, and 'bascule resume' takes it up. ~~ types one ~.
What happens to the network or to the appliance meanwhile does not end it: what you type is kept and arrives once.

Exit codes: the far shell's own for jump and resume; 0 done (also after ~.); 64 command line, 66 no such Jump Item, 69 site away, 74 session ended by
something else than its shell, 75 try later, 76 certificate not trusted, 77 not logged in, 78 console too old, 70 a mistake in this program.
`;

export const COMMANDS = ['login', 'logout', 'ls', 'jump', 'resume', 'about', 'help'] as const;
export type Command = (typeof COMMANDS)[number];

export interface ConsoleOptions {
  command: Command;
  /** What follows the command; at most one. */
  argument: string | undefined;
  site: URL | undefined;
  fingerprint: string | undefined;
  browser: boolean;
  isNew: boolean;
  escape: boolean;
  json: boolean;
}

/** Reads the command line and `BASCULE_SITE`. Throws ConsoleError with what is wrong. */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ConsoleOptions {
  const { values, positionals } = parsedArguments(argv);
  const [word, argument, surplus] = positionals;
  const command = values.help ? 'help' : COMMANDS.find((name) => name === (word ?? 'help'));
  if (command === undefined) throw usage(`There is no command '${word}'.`);
  if (surplus !== undefined) throw usage(`'${surplus}' is one word too many: put names with spaces in quotes.`);
  if (command === 'jump' && argument === undefined) throw usage('bascule jump needs the name of a Jump Item.');
  if (argument !== undefined && (command === 'logout' || command === 'about')) throw usage(`bascule ${command} takes no name.`);
  const siteText = command === 'login' && argument !== undefined ? argument : (values.site ?? env['BASCULE_SITE']);
  return {
    command,
    argument,
    site: siteText === undefined || siteText === '' ? undefined : readSite(siteText),
    fingerprint: values.fingerprint,
    browser: !values['no-browser'],
    isNew: values.new,
    escape: !values['no-escape'],
    json: values.json,
  };
}

/** An address as a person types it: `https://` may be missing, a path is left out. Throws ConsoleError. */
export function readSite(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url === null || url.protocol !== 'https:' || url.hostname === '' || url.username !== '')
    throw usage(`'${text}' is no address of a site: it looks like https://access.example.net`);
  return new URL(url.origin);
}

function parsedArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        site: { type: 'string' },
        fingerprint: { type: 'string' },
        'no-browser': { type: 'boolean', default: false },
        new: { type: 'boolean', default: false },
        'no-escape': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function usage(message: string): ConsoleError {
  return new ConsoleError(ExitCode.usage, `${message}\n'bascule --help' says what there is.`);
}
