import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import {
  packageVersion,
  translated,
  versionRange,
  type PackageKind,
  type PackageManifest,
} from '@bascule/protocol/package-manifest.ts';
import type { BuildOptions } from './build.ts';
import { ReleaseError } from './release-error.ts';

const checkout = resolve(import.meta.dirname, '..', '..');
const text = { type: 'string' } as const;
const OPTIONS = {
  source: text,
  out: text,
  'requires-base': text,
  'requires-site': text,
  'installs-over': text,
  emergency: { type: 'boolean' },
  windows: { type: 'boolean' },
  notes: text,
  'released-at': text,
  holder: text,
  'maintained-until': text,
  expires: text,
  endpoints: text,
  representatives: text,
} as const;

type Given = { [name in keyof typeof OPTIONS]?: name extends 'emergency' | 'windows' ? boolean : string };

/** Reads the arguments after `base`, `site` or `licence`; paths are meant from the current folder. Throws ReleaseError for a wrong one. */
export async function readBuildOptions(kind: PackageKind, args: string[]): Promise<BuildOptions> {
  let given: Given;
  let words: string[];
  try {
    ({ values: given, positionals: words } = parseArgs({ args, options: OPTIONS, allowPositionals: true }));
  } catch (error) {
    throw new ReleaseError((error as Error).message);
  }
  const [version, ...tooMany] = words;
  if (version === undefined || tooMany.length > 0)
    throw new ReleaseError(`npm run release -- ${kind} VERSION [options]: one version, such as 1.2.3.`);
  if (kind === 'licence' && (given.holder === undefined || given['maintained-until'] === undefined))
    throw new ReleaseError('A licence needs its holder and its life: --holder NAME --maintained-until DATE.');
  if (given.windows && kind !== 'site') throw new ReleaseError('--windows is for site packages: they bring the client programs.');
  return {
    kind,
    ...(given.windows && { windows: true }),
    version: check('VERSION', packageVersion, version),
    source: resolve(given.source ?? checkout),
    out: resolve(given.out ?? resolve(checkout, 'dist', 'releases')),
    overrides: await overridesOf(kind, given),
  };
}

async function overridesOf(kind: PackageKind, given: Given): Promise<Partial<PackageManifest>> {
  const range = (option: 'requires-base' | 'requires-site' | 'installs-over') =>
    given[option] === undefined ? undefined : check(`--${option}`, versionRange, given[option]);
  const requires = { base: range('requires-base'), site: range('requires-site') };
  return {
    ...((requires.base ?? requires.site) && { requires }),
    ...(given['installs-over'] && { installsOver: range('installs-over') }),
    ...(given.emergency && { emergency: true }),
    ...(given.notes && { notes: await readNotes(given.notes) }),
    ...(given['released-at'] && { releasedAtMs: dateOf('--released-at', given['released-at']) }),
    ...(kind === 'licence' && {
      licence: {
        holder: given.holder ?? '',
        maintainedUntilMs: dateOf('--maintained-until', given['maintained-until'] ?? ''),
        endpoints: countOf('--endpoints', given.endpoints),
        concurrentRepresentatives: countOf('--representatives', given.representatives),
        expiresAtMs: given.expires === undefined ? null : dateOf('--expires', given.expires),
      },
    }),
  };
}

/** A JSON file has the notes by language (`{"en": ..., "de": ...}`); any other file is the English text. */
async function readNotes(file: string): Promise<PackageManifest['notes']> {
  const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ReleaseError(`--notes ${file} cannot be read (${error.code}).`);
  });
  return check('--notes', translated, file.endsWith('.json') ? JSON.parse(content) : { en: content.trim() });
}

function dateOf(option: string, given: string): number {
  const date = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(date))
    throw new ReleaseError(`${option} ${given}: give a day such as 2027-12-31, or an instant such as 2027-12-31T23:00Z.`);
  return date;
}

function countOf(option: string, given: string | undefined): number | null {
  if (given === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(given))
    throw new ReleaseError(`${option} ${given}: give a number above 0, or leave it out for no limit.`);
  return Number(given);
}

function check<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ReleaseError(`${what} ${String(value)}: ${parsed.error.issues[0]?.message ?? 'not valid'}.`);
}
