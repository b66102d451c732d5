import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { clientSettings } from '@bascule/protocol/client-program.ts';
import { sha256Hex } from '@bascule/protocol/text.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';

/** What is remembered of a site. */
const knownSite = z.object({
  /** SHA-256 of the public key that a person confirmed; null while the certificate is verified normally. */
  keySha256: sha256Hex.nullable().default(null),
  /** PEM of the site identity, learnt at login: it may vouch for another key later. */
  authority: z.string().max(20_000).nullable().default(null),
  /** What to do when the certificate is not trusted any more; as the site last said. */
  tls: z.enum(['refuse', 'site-identity']).default('refuse'),
  /** Of a failover pair: where the site may be besides its name; as the site last said. */
  addresses: clientSettings.shape.addresses,
});
export type KnownSite = z.infer<typeof knownSite>;

const login = z.object({ user: z.string(), cookie: z.string(), csrf: z.string() });
/** Of one site. `cookie` and `csrf` are secrets. */
export type StoredLogin = z.infer<typeof login>;

const SITES_MAX = 100;
const settingsFile = z.object({
  /** The site that commands without `--site` mean: the one of the last login. */
  site: z.string().nullable().default(null),
  sites: z.record(z.string(), knownSite).default({}),
});
const loginsFile = z.record(z.string(), login);

/** Where the console keeps its settings for this user: `BASCULE_CONSOLE_HOME`, else below XDG_CONFIG_HOME, ~/.config or %APPDATA%. */
export function consoleFolder(env: NodeJS.ProcessEnv): string {
  const given = env['BASCULE_CONSOLE_HOME'];
  if (given !== undefined && given !== '') return given;
  const base = process.platform === 'win32' ? env['APPDATA'] : env['XDG_CONFIG_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.config') : base, 'bascule');
}

/** `settings.json` (known sites) and `logins.json` (secrets, 0600), each whole after a power cut. Read anew each time: several consoles run side by side. */
export class ConsoleHome {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The origin of the last login, or undefined. */
  currentSite(): string | undefined {
    return this.#settings().site ?? undefined;
  }

  /** What is known of the site `origin`. */
  known(origin: string): KnownSite {
    return this.#settings().sites[origin] ?? knownSite.parse({});
  }

  /** Changes what is known of the site `origin`. */
  remember(origin: string, change: Partial<KnownSite>): void {
    const settings = this.#settings();
    const sites = Object.entries(settings.sites).filter(([name]) => name !== origin);
    const changed: [string, KnownSite] = [origin, { ...this.known(origin), ...change }];
    this.#write('settings.json', { ...settings, sites: Object.fromEntries([...sites, changed].slice(-SITES_MAX)) });
  }

  login(origin: string): StoredLogin | undefined {
    return this.#logins()[origin];
  }

  /** Keeps the login and makes its site the one that commands mean. */
  storeLogin(origin: string, stored: StoredLogin): void {
    this.#write('logins.json', { ...this.#logins(), [origin]: stored });
    this.#write('settings.json', { ...this.#settings(), site: origin });
  }

  forgetLogin(origin: string): void {
    const rest = Object.entries(this.#logins()).filter(([name]) => name !== origin);
    this.#write('logins.json', Object.fromEntries(rest));
  }

  #settings(): z.infer<typeof settingsFile> {
    return this.#read('settings.json', settingsFile, () => settingsFile.parse({}));
  }

  #logins(): z.infer<typeof loginsFile> {
    return this.#read('logins.json', loginsFile, () => ({}));
  }

  #read<S extends z.ZodType>(name: string, schema: S, none: () => z.infer<S>): z.infer<S> {
    const file = join(this.folder, name);
    let text;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return none();
      throw new ConsoleError(ExitCode.usage, `${file} cannot be read (${(error as Error).message}).`, { cause: error });
    }
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw new ConsoleError(ExitCode.usage, `${file} is damaged: remove it, and log in again.`, { cause: error });
    }
  }

  #write(name: string, content: unknown): void {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      chmodSync(this.folder, 0o700);
      const temporary = join(this.folder, `${name}.${process.pid}.tmp`);
      writeFileDurablySync(join(this.folder, name), `${JSON.stringify(content, null, 2)}\n`, { temporary });
    } catch (error) {
      const why = (error as Error).message;
      throw new ConsoleError(ExitCode.usage, `The folder ${this.folder} cannot be written (${why}).`, { cause: error });
    }
  }
}
