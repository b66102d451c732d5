import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CHECKOUT = resolve(import.meta.dirname, '..', '..', '..');
const COPIED = [
  'node_modules',
  'apps',
  'packages',
  'packaging',
  'tools',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'LICENSE',
];
const MIGRATIONS = 'apps/site/src/settings/settings-migrations.ts';

/** What a later release of the tests differs in from this checkout. */
export interface Changes {
  version: string;
  /** SQL of a migration that only adds; site.db gets it. */
  migration?: string;
  /** Files below the checkout whose text is changed. */
  edits?: Record<string, (text: string) => string>;
}

/** A copy of this checkout as a later version of it would be: hard links, so it takes no room, and only changed files are written. */
export async function copyCheckout(to: string, changes: Changes): Promise<string> {
  mkdirSync(to, { recursive: true });
  const links = spawn('cp', ['-al', ...COPIED.map((name) => join(CHECKOUT, name)), to], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(links, 'exit')) as [number | null];
  // Another file system takes no hard links.
  if (code !== 0)
    for (const name of COPIED) cpSync(join(CHECKOUT, name), join(to, name), { recursive: true, verbatimSymlinks: true });
  edit(to, 'package.json', (text) => text.replace(/"version": "[^"]+"/, `"version": "${changes.version}"`));
  if (changes.migration !== undefined) edit(to, MIGRATIONS, withMigration(changes.migration));
  for (const [file, change] of Object.entries(changes.edits ?? {})) edit(to, file, change);
  return to;
}

/**
 * Builds base or site of the changed checkout into `out` by the release command. Within one run of the tests (`BASCULE_TEST_RELEASES` names its folder) the same
 * release is built once, and the archive of the runtime too.
 */
export async function buildRelease(kind: 'base' | 'site', changes: Changes, out: string, options: string[] = []): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'bascule-source-'));
  try {
    const source = await copyCheckout(join(scratch, 'source'), changes);
    const shared = process.env['BASCULE_TEST_RELEASES'];
    if (shared === undefined) await runRelease(kind, changes.version, source, out, options);
    else {
      const built = join(shared, keyOf(kind, changes, source, options));
      if (!existsSync(built)) {
        const partial = `${built}.${process.pid}-${randomBytes(4).toString('hex')}.partial`;
        const runtime = join(shared, 'runtime');
        if (existsSync(runtime)) cpSync(realpathSync(runtime), join(partial, 'runtime'), { recursive: true });
        await runRelease(kind, changes.version, source, partial, options);
        // Whole or not at all: builds may go on side by side, in other test files too; the first one counts.
        if (!takePlace(() => renameSync(partial, built))) rmSync(partial, { recursive: true, force: true });
        takePlace(() => symlinkSync(join(built, 'runtime'), runtime));
      }
      cpSync(built, out, { recursive: true });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Does `place`; false when somebody else was first. */
function takePlace(place: () => void): boolean {
  try {
    place();
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

async function runRelease(kind: string, version: string, source: string, out: string, options: string[]): Promise<void> {
  await runTool('release', [kind, version, '--source', source, '--out', out, ...options]);
}

/** Of what makes one release differ from another within a run: the checkout itself stays the same. */
function keyOf(kind: string, changes: Changes, source: string, options: string[]): string {
  const changed = ['package.json', MIGRATIONS, ...Object.keys(changes.edits ?? {})].map((file) =>
    readFileSync(join(source, file), 'utf8'),
  );
  return createHash('sha256')
    .update(JSON.stringify([kind, options, changed]))
    .digest('hex')
    .slice(0, 16);
}

/** The list of migrations ends with `];`. Version 49 is the last of the settings' range, and none of theirs. */
function withMigration(sql: string): (text: string) => string {
  return (text) => text.replace(/\];\s*$/, `  { version: 49, name: 'test-release', up: ${JSON.stringify(sql)} },\n];\n`);
}

/** Writes a new file in place of the hard link, so that the checkout stays as it is. */
function edit(root: string, file: string, change: (text: string) => string): void {
  const path = join(root, file);
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  if (after === before) throw new Error(`the change of ${file} for a test release changes nothing`);
  writeFileSync(`${path}.changed`, after);
  renameSync(`${path}.changed`, path);
}

/** Runs one of the checkout's commands, such as `release`; gives what it printed. Throws with it when it fails. */
export async function runTool(entry: string, args: string[], environment: Record<string, string> = {}): Promise<string> {
  const child = spawn(process.execPath, [join(CHECKOUT, 'tools', 'entry', `${entry}.mjs`), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${entry} ${args.join(' ')} ended with ${code}:\n${said}`);
  return said;
}
