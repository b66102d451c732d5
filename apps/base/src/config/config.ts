import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { shortAddress } from './short-address.ts';

export { shortAddress } from './short-address.ts';

const options = z.object({
  home: z.string().min(1).startsWith('/', 'must be an absolute path'),
  listen: z.union([z.ipv4(), z.ipv6()], 'must be an IP address'),
  port: z.coerce.number().int().min(1).max(65535),
  name: z.string().min(1).max(253),
});

export interface BaseConfig {
  paths: ReturnType<typeof homePaths>;
  listen: string;
  port: number;
  /** The name by which people and clients reach the appliance. */
  publicHost: string;
  applianceName: string;
  /** Every name and address the web certificate holds and the origin checks accept, the public one first. */
  hosts: string[];
  version: string;
  /** The root of the running version of base: apps/, packages/, node_modules/. */
  baseDir: string;
  /** The same of the site: its staged version when base is staged, else the same checkout. */
  siteDir: string;
  siteVersion: string;
  /** The same with the hash of what was staged, when it runs from there. */
  packageVersions: { base: string; site: string };
  /** The Node runtime's directory (with bin/node), from which runtime archives for clients are made. */
  runtimeDir: string;
  /** The socket for plain HTTP that boot passes, and its port (docs/spec/boot.md, 2.6); undefined when there is none. */
  http: { descriptor: number; port: number } | undefined;
  /** The seed of the operating system's package (docs/spec/boot.md, 7); undefined when there is none. */
  seed: string | undefined;
}

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];

/** `BASCULE_APPLIANCE`: two appliances that share their host name have names of their own. */
const APPLIANCE_NAME = /^[A-Za-z0-9]([A-Za-z0-9 .-]{0,61}[A-Za-z0-9])?$/;

/** Reads base's command line, which boot writes (docs/spec/boot.md, 2), and the appliance's name. Throws `AppError` that names the wrong option. */
export function readConfig(args: string[], environment: NodeJS.ProcessEnv = process.env): BaseConfig {
  const text = { type: 'string' } as const;
  const parsed = options.safeParse(parseArgs({ args, options: { home: text, listen: text, port: text, name: text } }).values);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new AppError('invalid', 'BASE_OPTION_INVALID', `--${String(issue?.path[0])}: ${issue?.message}`);
  }
  const { home, listen, port, name } = parsed.data;
  const { BASCULE_APPLIANCE: given = '', BASCULE_SEED: seed } = environment;
  if (given !== '' && !APPLIANCE_NAME.test(given))
    throw new AppError(
      'invalid',
      'BASE_OPTION_INVALID',
      'BASCULE_APPLIANCE: at most 63 letters, digits, dots, hyphens and spaces.',
    );
  const paths = homePaths(home);
  const baseDir = join(import.meta.dirname, '..', '..', '..', '..');
  const staged = baseDir.startsWith(realPath(paths.baseSoftware) + sep);
  const siteDir = staged ? realpathSync(join(paths.siteSoftware, 'current')) : baseDir;
  const version = versionOf(baseDir);
  const siteVersion = versionOf(siteDir);
  return {
    paths,
    listen: shortAddress(listen),
    port,
    publicHost: name,
    applianceName: given || (LOCAL_NAMES.includes(name) ? hostname() : name),
    hosts: [...new Set([name, ...LOCAL_NAMES, hostname()])],
    version,
    baseDir,
    siteDir,
    siteVersion,
    packageVersions: {
      base: packageVersion(baseDir, paths.baseSoftware, version),
      site: packageVersion(siteDir, paths.siteSoftware, siteVersion),
    },
    runtimeDir: dirname(dirname(process.execPath)),
    seed,
    http: passedHttp(environment),
  };
}

function passedHttp(environment: NodeJS.ProcessEnv): BaseConfig['http'] {
  const [descriptor, port] = [Number(environment['BASCULE_HTTP_DESCRIPTOR']), Number(environment['BASCULE_HTTP_PORT'])];
  return Number.isInteger(descriptor) && descriptor > 2 && Number.isInteger(port) ? { descriptor, port } : undefined;
}

/** The staged version that `directory` is, by its folder's name in `software`; else `version`, of a checkout. */
export function packageVersion(directory: string, software: string, version: string): string {
  return dirname(directory) === realPath(software) ? basename(directory) : version;
}

function versionOf(directory: string): string {
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))).version;
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

/** The address that people type. */
export function publicAddress(config: BaseConfig): string {
  const host = config.publicHost.includes(':') ? `[${config.publicHost}]` : config.publicHost;
  return `https://${host}${config.port === 443 ? '' : `:${config.port}`}`;
}
