/** `npm run release -- deb`, from its arguments. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { buildDeb } from './deb.ts';
import { defaultKeyFolder } from './key-folder.ts';
import { ReleaseError } from './release-error.ts';

const checkout = resolve(import.meta.dirname, '..', '..');
const text = { type: 'string' } as const;
const OPTIONS = {
  repository: text,
  base: text,
  site: text,
  source: text,
  out: text,
  keys: { type: 'string', multiple: true },
  'compression-level': text,
} as const;
/** dpkg-deb's, for zstd. */
const COMPRESSION_LEVEL_MAX = 22;

/** Builds the package and says what it is. Throws ReleaseError for wrong arguments, and as `buildDeb`. */
export async function runDebCommand(args: string[], say: (text: string) => void): Promise<void> {
  const { values, positionals } = read(args);
  const [version, ...tooMany] = positionals;
  if (version === undefined || tooMany.length > 0 || values.repository === undefined)
    throw new ReleaseError('npm run release -- deb VERSION --repository DIR: one version, such as 1.2.3, and a repository.');
  const level = values['compression-level'];
  const built = await buildDeb({
    version: checkVersion('VERSION', version),
    source: resolve(values.source ?? checkout),
    repository: resolve(values.repository),
    versions: {
      ...(values.base !== undefined && { base: checkVersion('--base', values.base) }),
      ...(values.site !== undefined && { site: checkVersion('--site', values.site) }),
    },
    out: resolve(values.out ?? resolve(checkout, 'dist', 'releases', 'deb')),
    keys: values.keys?.map((folder) => resolve(folder)) ?? [defaultKeyFolder()],
    makesKey: values.keys === undefined,
    ...(level !== undefined && { compressionLevel: checkLevel(level) }),
  });
  const { base, site, rootSha256 } = built.seed;
  say(`${built.file}  ${(built.bytes / 1e6).toFixed(1)} MB  ${built.sha256}`);
  say(`With base ${base.version} and site ${site.version}; appliances made of it trust the update root ${rootSha256}.`);
  say(
    `Publish with it: ${built.file}.sha256, its .sig, and ${built.publicKeyFile} (docs/operator/installing.md, 'Is it genuine?').`,
  );
}

function read(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new ReleaseError((error as Error).message);
  }
}

function checkVersion(what: string, value: string): string {
  const parsed = packageVersion.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ReleaseError(`${what} ${value}: ${parsed.error.issues[0]?.message ?? 'not valid'}.`);
}

function checkLevel(value: string): number {
  const level = Number(value);
  if (!Number.isInteger(level) || level < 1 || level > COMPRESSION_LEVEL_MAX)
    throw new ReleaseError(`--compression-level ${value}: a number from 1 to ${COMPRESSION_LEVEL_MAX}.`);
  return level;
}
