/** Packages of this checkout: the same bytes from any folder, and programs that run from what was unpacked. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { unpackArchive } from '@bascule/package-format/archive.ts';
import { hasClientProgram, readClientAbout } from '@bascule/package-format/client-build.ts';
import { CLIENT_PROGRAMS, clientTarget } from '@bascule/protocol/client-program.ts';
import { packageManifest } from '@bascule/protocol/package-manifest.ts';
import { buildPackage } from './build.ts';
import { readBuilt, type Built } from './built.ts';
import { contentsOf } from './contents.mjs';

const CHECKOUT = resolve(import.meta.dirname, '..', '..');
const NODE = `node_modules/node-${process.platform}-${process.arch}`;
/** Without git in the copies, these would come from the lock file's time. */
const overrides = { revision: 'test', releasedAtMs: 1_800_000_000_000 };
const VERSION = '0.9.7';
/** What a client fetches for an ordinary upgrade stays below this, metadata included. */
const CLIENT_BYTES_MAX = 700_000;

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bascule-release-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function build(kind: 'base' | 'site', source: string, out: string): Promise<Built[]> {
  return buildPackage({ source, kind, version: VERSION, out, overrides, isPrepared: true });
}

/** What both kinds consist of, in another folder. */
function partsOf(source: string): string {
  const copy = join(directory, 'first');
  for (const { path, source: file } of (['base', 'site'] as const).flatMap((kind) => contentsOf(source, kind).files)) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(file, join(copy, path));
  }
  for (const path of ['package-lock.json', 'tools/release', 'node_modules/@bascule'])
    cpSync(join(source, path), join(copy, path), { recursive: true, verbatimSymlinks: true });
  symlinkSync(join(source, NODE), join(copy, NODE));
  return copy;
}

/** Elsewhere, with other times, and modes as a closed umask makes them. */
function copyOf(source: string): string {
  const copy = join(directory, 'second', 'some', 'where', 'else');
  cpSync(source, copy, { recursive: true, verbatimSymlinks: true });
  execFileSync('chmod', ['-R', 'go-rwx', copy]);
  utimesSync(join(copy, 'package-lock.json'), 1, 1);
  return copy;
}

describe('packages of base and site', { concurrency: false }, () => {
  test('the same sources give the same bytes, wherever they lie', async () => {
    const first = partsOf(CHECKOUT);
    const second = copyOf(first);
    for (const kind of ['base', 'site'] as const) {
      const one = await build(kind, first, join(directory, 'out'));
      const other = await build(kind, second, join(directory, 'out-again'));
      assert.deepEqual(other, one);
    }
  });

  for (const kind of ['base', 'site'] as const) {
    test(`${kind} runs from its package`, async () => {
      const archive = join(directory, 'out', kind, `bascule-${kind}-${VERSION}.tar.zst`);
      const { manifest } = await readBuilt(archive);
      assert.ok(manifest);
      const folder = join(directory, `unpacked-${kind}`);
      await unpackArchive(archive, folder, manifest);
      assert.deepEqual(packageManifest.parse(JSON.parse(readFileSync(join(folder, 'bascule-package.json'), 'utf8'))), manifest);
      for (const [name, target] of Object.entries(manifest.workspaces)) {
        mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
        symlinkSync(join(folder, target), join(folder, 'node_modules', name));
      }
      assert.equal(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version, VERSION);
      assert.ok(manifest.migrations.includes(1));
      assert.ok(!existsSync(join(folder, 'apps', 'boot')), 'boot is never part of a package');
      // Without arguments each program loads all it imports, and then says what is missing.
      const programs =
        kind === 'base'
          ? ['base/src/main.ts']
          : ['site/src/main.ts', 'site/src/relay-main.ts', 'site/src/rehearsal-main.ts', 'jump-client/src/main.ts'];
      for (const program of programs) {
        const run = spawnSync(process.execPath, [join(folder, 'apps', program)], { encoding: 'utf8', cwd: '/', timeout: 20_000 });
        assert.notEqual(run.status, 0);
        assert.doesNotMatch(run.stdout + run.stderr, /Cannot find (module|package)|ERR_[A-Z_]*(MODULE|PATH)/, program);
      }
    });
  }

  test("what is imported later, or has a part of the machine's own, is there too", () => {
    const later = {
      base: ['@node-rs/argon2', 'reflect-metadata', '@peculiar/x509'],
      site: ['esbuild', '@node-rs/argon2', '@lydell/node-pty', '@xterm/headless', 'otpauth'],
    };
    for (const [kind, modules] of Object.entries(later)) {
      const load = modules.map((name) => `await import('${name}');`).join(' ');
      const cwd = join(directory, `unpacked-${kind}`, 'packages');
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', load], { encoding: 'utf8', cwd });
      assert.equal(run.status, 0, run.stderr);
    }
    const bundle = `const { build } = await import('esbuild'); await build({ stdin: { contents: 'let a = 1' }, write: false });`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', bundle], {
      encoding: 'utf8',
      cwd: join(directory, 'unpacked-site', 'packages'),
    });
    assert.equal(run.status, 0, run.stderr);
  });

  for (const program of CLIENT_PROGRAMS.filter((known) => hasClientProgram(CHECKOUT, known))) {
    test(`${program} is one file for clients that needs nothing beside it`, async () => {
      const target = clientTarget(program, 'linux-x64', VERSION);
      const archive = join(directory, 'out', target);
      const { companions } = await readBuilt(join(directory, 'out', 'site', `bascule-site-${VERSION}.tar.zst`));
      assert.ok(companions.includes(target), 'it is published with the site');
      const folder = join(directory, `unpacked-${program}`);
      await unpackArchive(archive, folder, { unpackedBytes: 16 * 1024 * 1024, fileCount: 8 });
      const about = { format: 'bascule-client/1', program, version: VERSION, revision: 'test', platform: 'linux-x64' };
      assert.deepEqual(await readClientAbout(archive), about);
      assert.equal(existsSync(join(folder, 'pty.node')), program === 'jump-client');
      const run = spawnSync(process.execPath, [join(folder, 'main.mjs')], { encoding: 'utf8', cwd: '/', timeout: 20_000 });
      assert.doesNotMatch(run.stdout + run.stderr, /Cannot find|ERR_/);
      assert.ok(readFileSync(archive).equals(readFileSync(join(directory, 'unpacked-site', target))), 'the site brings it too');
      assert.ok(statSync(archive).size < CLIENT_BYTES_MAX, `${statSync(archive).size} bytes`);
    });
  }

  test('the site brings the supervisor, for installers', () => {
    const name = join('client', 'supervisor.mjs');
    const run = spawnSync(process.execPath, ['--check', join(directory, 'unpacked-site', name)], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
  });

  test('an altered archive is not taken for what was built', async () => {
    const archive = join(directory, 'out', 'base', `bascule-base-${VERSION}.tar.zst`);
    const copy = join(directory, 'altered.tar.zst');
    cpSync(archive, copy);
    cpSync(`${archive}.json`, `${copy}.json`);
    execFileSync('sh', ['-c', 'printf x >> "$1"', 'sh', copy]);
    await assert.rejects(readBuilt(copy), /another SHA-256/);
  });
});

test('only what runs is listed: no tests, no types, no other kind of software', () => {
  const paths = contentsOf(CHECKOUT, 'base').files.map(({ path }) => path);
  assert.deepEqual(paths, paths.toSorted(), 'by path');
  assert.ok(paths.includes('apps/base/src/main.ts') && paths.includes('node_modules/zod/LICENSE'));
  const wrong = paths.filter((path) =>
    /\.test\.ts$|\.d\.[cm]?ts$|\.map$|(^|\/)testing\.ts$|^apps\/(site|boot|web\/src)|^packages\/testkit|node-linux/.test(path),
  );
  assert.deepEqual(wrong, []);
});

test('a licence holds its terms, and only these', async () => {
  const licence = {
    holder: 'Müller & Söhne',
    maintainedUntilMs: 1_900_000_000_000,
    endpoints: 100,
    concurrentRepresentatives: null,
    expiresAtMs: null,
  };
  const out = join(directory, 'licences');
  const [built] = await buildPackage({
    source: CHECKOUT,
    kind: 'licence',
    version: '1.0.0',
    out,
    overrides: { ...overrides, licence },
  });
  assert.equal(built?.target, 'licence/muller-sohne-1.0.0.tar.zst');
  assert.deepEqual(built?.manifest?.licence, licence);
  assert.equal(built?.manifest?.fileCount, 1);
  assert.equal(built?.manifest?.runtime, null);
});
