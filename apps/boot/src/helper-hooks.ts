import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkDirection, checkHookName, Refused } from './helper-checks.ts';
import { run } from './helper-programs.ts';

/** A hook that has not ended by then is killed with all it started. */
export const HOOK_LIMIT_MS = 30_000;
/** Of what a hook says, for the page. */
export const HOOK_OUTPUT_MAX_CHARACTERS = 2_000;
const HOOKS_MAX = 50;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OWNER_EXECUTES = 0o100;

/** Hooks are files that root placed in `<home>/hooks`: a page can name one, and cannot write one. */
export class Hooks {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Names of those that would be run, and why each of the others would not. */
  list(): { name: string; refused: string | null }[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder).toSorted();
    } catch {
      return [];
    }
    return names.slice(0, HOOKS_MAX).map((name) => {
      try {
        this.#check(checkHookName(name));
        return { name, refused: null };
      } catch (error) {
        return { name: name.slice(0, 41), refused: error instanceof Error ? error.message : '' };
      }
    });
  }

  /** Runs the hook with its one argument, `here` or `away`. Throws `Refused`, also when it fails: with the end of what it said. */
  async run(args: { name: string; direction: string }): Promise<{ output: string }> {
    const file = this.#check(checkHookName(args.name));
    const { code, output, error } = await run(file, [checkDirection(args.direction)], HOOK_LIMIT_MS);
    const said = `${output}\n${error}`.trim().slice(-HOOK_OUTPUT_MAX_CHARACTERS);
    if (code !== 0) throw new Refused(`the hook ${args.name} ${code === null ? 'was killed' : `ended with ${code}`}: ${said}`);
    return { output: said };
  }

  /** Whatever stands between / and the file must be root's alone: else somebody else decides what root runs. */
  #check(name: string): string {
    const file = join(this.#folder, name);
    for (let folder = this.#folder; ; folder = dirname(folder)) {
      const stats = lstat(folder);
      if (stats === undefined) throw new Refused(`there is no folder ${folder}`);
      // A sticky folder (/tmp) lets nobody replace what is another's.
      if (!stats.isDirectory() || stats.uid !== 0 || (isWritable(stats) && (stats.mode & 0o1000) === 0))
        throw new Refused(`${folder} is not a folder that root alone can write`);
      if (folder === dirname(folder)) break;
    }
    const stats = lstat(file);
    if (stats === undefined) throw new Refused(`there is no hook ${name}`);
    if (!stats.isFile() || stats.uid !== 0 || isWritable(stats))
      throw new Refused(`${name} is not a file that root alone can write`);
    if ((stats.mode & OWNER_EXECUTES) === 0) throw new Refused(`${name} cannot be executed: chmod 755`);
    return file;
  }
}

function lstat(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function isWritable({ mode }: Stats): boolean {
  return (mode & GROUP_OR_OTHERS_WRITE) !== 0;
}
