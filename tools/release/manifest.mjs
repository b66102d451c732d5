/** What a package says about itself (packages/protocol/src/package-manifest.ts), taken from the checkout it is made of. Plain JavaScript: see contents.mjs. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REVISION_LENGTH = 12;
const GIT_LIMIT_MS = 10_000;
const READ_FACTS_LIMIT_MS = 30_000;

/** @typedef {'base' | 'site' | 'licence'} Kind */

/**
 * The manifest without what only packing tells (`unpackedBytes`, `fileCount`), with the defaults of the checkout's tools/release/release.json.
 * @param {{ source: string, kind: Kind, version: string, runtimeSha256: string | null, migrations: number[], oldestProtocol?: number, workspaces: Record<string, string>, overrides?: Record<string, unknown> }} of
 */
export function manifestOf({ source, kind, version, runtimeSha256, migrations, oldestProtocol, workspaces, overrides = {} }) {
  const release = JSON.parse(readFileSync(join(source, 'tools', 'release', 'release.json'), 'utf8'));
  return {
    format: 'bascule-package/1',
    kind,
    version,
    ...revisionOf(source),
    ...release[kind],
    emergency: false,
    migrations,
    ...(kind === 'site' && oldestProtocol !== undefined && { oldestProtocol }),
    runtime: runtimeSha256,
    unpackedBytes: 0,
    fileCount: 0,
    workspaces,
    eula: readFileSync(join(source, release.eula), 'utf8'),
    notes: release.notes,
    ...overrides,
  };
}

/**
 * The commit and its time, so that the same commit says the same. What differs from its commit is marked `dirty`; without git, the lock file's time.
 * @param {string} source  @returns {{ revision: string, releasedAtMs: number }}
 */
export function revisionOf(source) {
  const git = (/** @type {string[]} */ ...args) => {
    // The folder may belong to somebody else: nothing of its configuration is run by these questions.
    const options = ['-c', `safe.directory=${source}`, '-c', 'core.fsmonitor=false', '-C', source];
    const run = spawnSync('git', [...options, ...args], { encoding: 'utf8', timeout: GIT_LIMIT_MS });
    return run.status === 0 ? run.stdout.trim() : undefined;
  };
  if (git('rev-parse', '--show-prefix') !== '')
    return { revision: 'nogit', releasedAtMs: Math.floor(statSync(join(source, 'package-lock.json')).mtimeMs) };
  const commit = git('rev-parse', `--short=${REVISION_LENGTH}`, 'HEAD');
  const committedAt = Number(git('show', '--no-patch', '--format=%ct', 'HEAD'));
  const changes = git('--no-optional-locks', 'status', '--porcelain');
  return { revision: `${commit ?? 'nocommit'}${changes === '' ? '' : 'dirty'}`, releasedAtMs: (committedAt || 0) * 1000 };
}

/**
 * What the software in `source` knows, asked from the software itself: the migrations of each database, and the oldest protocol of control links.
 * @param {string} node a Node 26  @param {string} source  @returns {{ migrations: { base: number[], site: number[] }, oldestProtocol: number }}
 */
export function sourceFactsOf(node, source) {
  const program = join(dirname(fileURLToPath(import.meta.url)), 'source-facts.ts');
  const run = spawnSync(node, [program, source], { encoding: 'utf8', timeout: READ_FACTS_LIMIT_MS });
  if (run.status !== 0) throw new Error(`what ${source} knows cannot be read: ${run.stderr || run.error?.message}`);
  return JSON.parse(run.stdout);
}
