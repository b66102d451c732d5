/**
 * `npm run release -- COMMAND`: packages from the checkout, a repository of them, its keys, and the fixtures of a release. docs/how-to/release.md and
 * docs/operator/update-keys.md say how it is used.
 */
import { join } from 'node:path';
import { PACKAGE_KINDS, type PackageKind } from '@bascule/protocol/package-manifest.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { ReleaseError } from './release-error.ts';

const USAGE = `npm run release -- base|site VERSION [--source DIR] [--out DIR] [--requires-base RANGE] [--requires-site RANGE]
                  [--installs-over RANGE] [--emergency] [--notes FILE] [--released-at DATE]
npm run release -- licence VERSION --holder NAME --maintained-until DATE [--endpoints N] [--representatives N] [--expires DATE] [--out DIR]
npm run release -- deb VERSION --repository DIR [--base VERSION] [--site VERSION] [--source DIR] [--out DIR] [--keys DIR]...
                                               the package of Debian, with boot, and base and site of the repository as its seed
npm run release -- runtime                     notes the archive of this checkout's Node in tools/release/runtimes.json
npm run release -- fixtures VERSION            schema, rows and wire messages of this checkout, as text for the tests of later ones

npm run release -- repository --repository DIR [--keys DIR]... [--threshold N]     lays down a new, empty repository
npm run release -- publish PACKAGE... --repository DIR [--keys DIR]...             adds packages, with runtime and client bundle
npm run release -- refresh --repository DIR [--keys DIR]...                        renews snapshot and timestamp

npm run release -- keys show [--repository DIR] [--keys DIR]...
npm run release -- keys create [ROLE...] --keys DIR                                keys of all roles but root, or of these
npm run release -- keys root --out DIR [--keys 3] [--threshold 2]                  root's keys, a folder for each holder
npm run release -- keys rotate ROLE [--replace KEYID] --repository DIR --keys DIR...   the first DIR gets the new key
npm run release -- keys revoke ROLE KEYID --repository DIR --keys DIR...
npm run release -- keys renew ROLE --repository DIR --keys DIR...                  a new version with a new life
npm run release -- keys sign-root --repository DIR --keys DIR... [--root SHA256]   shows the root that waits; signs the one that you compared
Without --keys: development keys in $XDG_DATA_HOME/bascule/keys (~/.local/share/bascule/keys), made on first use.`;
const EXIT_USAGE = 64;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // Sentences for a person; anything else is our own bug and keeps its stack. `Stop` is that of the entry scripts.
  const expected = error instanceof ReleaseError || error instanceof AppError || (error instanceof Error && 'exitCode' in error);
  if (!expected) throw error;
  process.stderr.write(`bascule: ${error.message}\n`);
  process.exitCode = 1;
}

async function main([command = '', ...args]: string[]): Promise<number> {
  if (isKind(command)) {
    const { readBuildOptions } = await import('./build-options.ts');
    const { buildPackage } = await import('./build.ts');
    const options = await readBuildOptions(command, args);
    for (const { target, bytes, sha256 } of await buildPackage(options))
      say(`${join(options.out, target)}  ${(bytes / 1e6).toFixed(1)} MB  ${sha256}`);
    return 0;
  }
  if (command === 'deb') {
    const { runDebCommand } = await import('./deb-command.ts');
    await runDebCommand(args, say);
    return 0;
  }
  if (command === 'runtime') {
    const { noteRuntime } = await import('./runtime-note.ts');
    say(await noteRuntime());
    return 0;
  }
  if (command === 'fixtures') {
    const { writeFixtures } = await import('./fixtures.ts');
    say(await writeFixtures(args[0] ?? ''));
    return 0;
  }
  const { runRepositoryCommand } = await import('./repository-commands.ts');
  if (await runRepositoryCommand(command, args, say)) return 0;
  say(USAGE);
  return EXIT_USAGE;
}

function isKind(command: string): command is PackageKind {
  return (PACKAGE_KINDS as readonly string[]).includes(command);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
