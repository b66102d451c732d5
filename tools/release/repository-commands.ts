/** The commands about a repository and its keys, from their arguments. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT_KEYS, ROOT_THRESHOLD, TUF_ROLES, type TufRole } from '@bascule/package-format/tuf-keys.ts';
import * as ceremony from './ceremony.ts';
import { defaultKeyFolder, findKeys, findOrMakeKeys } from './key-folder.ts';
import { ReleaseError } from './release-error.ts';
import { createRepository, publishPackages, refreshRepository } from './repository.ts';

type Say = (text: string) => void;

const text = { type: 'string' } as const;
const OPTIONS = {
  repository: text,
  keys: { type: 'string', multiple: true },
  threshold: text,
  out: text,
  replace: text,
  root: text,
} as const;
const ROOT_KEYS_LIMIT = 16;

interface Given {
  words: string[];
  repository: string | undefined;
  keys: string[] | undefined;
  threshold: string | undefined;
  out: string | undefined;
  replace: string | undefined;
  root: string | undefined;
}

/** Runs `repository`, `publish`, `refresh` or `keys ...`; false when the command is none of them. Throws ReleaseError and AppError. */
export async function runRepositoryCommand(command: string, args: string[], say: Say): Promise<boolean> {
  const commands: Record<string, (given: Given) => Promise<void>> = {
    repository: async (given) => {
      const keys = await findOrMakeKeys(foldersOf(given), say);
      await createRepository(repositoryOf(given), keys, numberOf('--threshold', given.threshold, ROOT_THRESHOLD));
      say(`A new repository lies in ${repositoryOf(given)}. Mirrors copy its metadata/ and targets/.`);
    },
    publish: async (given) => {
      const archives = given.words.map((archive) => resolve(archive));
      if (archives.length === 0)
        throw new ReleaseError('Name the packages: npm run release -- publish PACKAGE... --repository DIR');
      const { added, isOnline } = await publishPackages(
        repositoryOf(given),
        archives,
        await findOrMakeKeys(foldersOf(given), say),
      );
      for (const target of added) say(`Published ${target}`);
      if (added.length === 0) say('All of it was published already.');
      else if (!isOnline)
        say('Nobody sees it before snapshot and timestamp are signed where their keys are: npm run release -- refresh there.');
    },
    refresh: async (given) => {
      const done = await refreshRepository(repositoryOf(given), await findKeys(foldersOf(given)));
      say(done ? 'Snapshot and timestamp were signed anew.' : 'Snapshot and timestamp are young enough; nothing was changed.');
    },
    keys: async (given) => await runKeyCommand(given, say),
  };
  const run = commands[command];
  if (run === undefined) return false;
  await run(readArguments(args));
  return true;
}

async function runKeyCommand(given: Given, say: Say): Promise<void> {
  const [verb = '', first, second] = given.words;
  const folder = foldersOf(given)[0]!;
  if (verb === 'create') {
    const roles = given.words.slice(1).map(roleOf);
    return await ceremony.createKeys(folder, roles.length > 0 ? roles : TUF_ROLES.filter((role) => role !== 'root'), say);
  }
  if (verb === 'root') {
    const count = numberOf('--keys', given.keys?.[0], ROOT_KEYS);
    if (given.out === undefined) throw new ReleaseError('Say where the keys go, outside every checkout: --out DIR.');
    return await ceremony.createRootKeys(
      resolve(given.out),
      count,
      numberOf('--threshold', given.threshold, ROOT_THRESHOLD),
      say,
    );
  }
  const keys = await findKeys(foldersOf(given));
  if (verb === 'show')
    return await ceremony.showKeys(given.repository === undefined ? undefined : repositoryOf(given), keys, say);
  const at = { repository: repositoryOf(given), keys, say };
  if (verb === 'rotate') return await ceremony.rotateKey(at, roleOf(first), folder, given.replace);
  if (verb === 'revoke') return await ceremony.revokeKey(at, roleOf(first), second ?? '');
  if (verb === 'renew') return await ceremony.renewRole(at, roleOf(first));
  if (verb === 'sign-root') return await ceremony.signRoot(at, given.root);
  throw new ReleaseError(`npm run release -- keys show|create|root|rotate|revoke|renew|sign-root, not '${verb}'.`);
}

function readArguments(args: string[]): Given {
  try {
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    return {
      words: positionals,
      repository: values.repository,
      keys: values.keys,
      threshold: values.threshold,
      out: values.out,
      replace: values.replace,
      root: values.root,
    };
  } catch (error) {
    throw new ReleaseError((error as Error).message);
  }
}

function foldersOf({ keys }: Given): string[] {
  return keys === undefined ? [defaultKeyFolder()] : keys.map((folder) => resolve(folder));
}

function repositoryOf({ repository }: Given): string {
  if (repository === undefined) throw new ReleaseError('Say which repository: --repository DIR.');
  return resolve(repository);
}

function roleOf(word: string | undefined): TufRole {
  const role = TUF_ROLES.find((known) => known === word);
  if (role === undefined) throw new ReleaseError(`'${word ?? ''}' is no role. Roles: ${TUF_ROLES.join(', ')}.`);
  return role;
}

function numberOf(option: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const number = Number(given);
  if (!Number.isInteger(number) || number < 1 || number > ROOT_KEYS_LIMIT)
    throw new ReleaseError(`${option} ${given}: give a number from 1 to ${ROOT_KEYS_LIMIT}.`);
  return number;
}
