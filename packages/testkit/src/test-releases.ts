import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const CHECKOUT = resolve(import.meta.dirname, '..', '..', '..');
const COPIED = ['node_modules', 'apps', 'packages', 'tools', 'package.json', 'package-lock.json', 'tsconfig.json', 'LICENSE'];

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
  if (changes.migration !== undefined)
    edit(to, 'apps/site/src/settings/settings-migrations.ts', withMigration(changes.migration));
  for (const [file, change] of Object.entries(changes.edits ?? {})) edit(to, file, change);
  return to;
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
