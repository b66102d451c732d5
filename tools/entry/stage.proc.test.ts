/** What the first start lays down, and what later starts make of what they find. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageManifest } from '@bascule/protocol/package-manifest.ts';
import { isRoot } from './checkout.mjs';
import { prepareHome } from './home.mjs';
import { stage } from './stage.mjs';

let directory: string;
let home: string;
let staged: ReturnType<typeof stage>;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bascule-stage-'));
  home = join(directory, 'home');
  prepareHome(home);
  staged = stage(home, false);
});
after(() => rmSync(directory, { recursive: true, force: true }));

const manifestIn = (folder: string) =>
  packageManifest.parse(JSON.parse(readFileSync(join(folder, 'bascule-package.json'), 'utf8')));

/** Everything below `folder` that does not belong to `uid`. */
function foreign(folder: string, uid: number): string[] {
  return [folder, ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))].filter(
    (path) => lstatSync(path).uid !== uid,
  );
}

describe('staging', { concurrency: false }, () => {
  test('base and site say what they are, and bring their Node', () => {
    for (const kind of ['base', 'site'] as const) {
      const manifest = manifestIn(staged[kind]);
      assert.equal(manifest.kind, kind);
      assert.ok(manifest.migrations.length > 1);
      assert.equal(staged[kind], join(home, 'software', kind, staged.version));
      assert.equal(readlinkSync(join(home, 'software', kind, 'current')), staged.version);
      assert.match(readlinkSync(join(staged[kind], 'runtime')), /^\.\.\/\.\.\/runtimes\/[0-9a-f]{16}$/);
      const version = spawnSync(join(staged[kind], 'runtime', 'bin', 'node'), ['--version'], { encoding: 'utf8' });
      assert.equal(version.stdout.trim(), process.version);
    }
    assert.equal(staged.runtime, realpathSync(join(staged.site, 'runtime', 'bin', 'node')));
  });

  test('the runtime has the name of the archive that releases make of it', () => {
    const known = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'release', 'runtimes.json'), 'utf8')) as Record<
      string,
      string
    >;
    const { runtime } = manifestIn(staged.base);
    assert.ok(runtime);
    if (process.arch === 'x64')
      assert.ok(Object.values(known).includes(runtime), 'the pinned Node changed: npm run release -- runtime');
    assert.deepEqual(readdirSync(join(staged.software, 'runtimes')), [runtime.slice(0, 16)]);
  });

  test('each kind has its own programs only, and they load', () => {
    const programs = {
      base: ['base'],
      site: ['console', 'jump-client', 'jumpoint', 'site', 'web'],
      boot: ['boot', 'jump-client'],
    };
    assert.deepEqual(readdirSync(join(staged.base, 'apps')).toSorted(), ['base', 'web']);
    assert.deepEqual(readdirSync(join(staged.site, 'apps')).toSorted(), programs.site);
    assert.deepEqual(readdirSync(join(staged.boot, 'apps')).toSorted(), programs.boot);
    for (const program of ['boot', 'jump-client']) {
      const run = spawnSync(join(staged.boot, 'bin', 'node'), [join(staged.boot, 'apps', program, 'src', 'main.ts')], {
        encoding: 'utf8',
      });
      assert.notEqual(run.status, 0, 'it wants arguments');
      assert.doesNotMatch(run.stdout + run.stderr, /Cannot find|ERR_/, program);
    }
  });

  test(
    'what root runs is root’s alone; what updates replace belongs to the service user',
    { skip: !isRoot && 'needs root' },
    () => {
      const service = statSync(join(home, 'site')).uid;
      assert.notEqual(service, 0);
      for (const name of ['base', 'site', 'runtimes']) assert.deepEqual(foreign(join(staged.software, name), service), [], name);
      assert.deepEqual(foreign(join(staged.software, 'boot'), 0), []);
      assert.equal(statSync(staged.software).uid, 0, 'nobody else can rename software/boot');
      assert.notEqual(
        statSync(join(staged.boot, 'bin', 'node')).ino,
        statSync(staged.runtime).ino,
        'not the file that the service user owns',
      );
    },
  );

  test('the next start changes nothing', () => {
    const before = readdirSync(staged.software, { recursive: true, encoding: 'utf8' }).toSorted();
    assert.deepEqual(stage(home, false), staged);
    assert.deepEqual(readdirSync(staged.software, { recursive: true, encoding: 'utf8' }).toSorted(), before);
    assert.ok(!existsSync(join(staged.software, '.staging')));
  });

  test('a home of the first release, without manifests and boot, is completed and keeps its version', () => {
    const { software } = staged;
    rmSync(join(software, 'boot'), { recursive: true });
    for (const kind of ['base', 'site'] as const) {
      const old = join(software, kind, '0.1.0-0123456789ab');
      renameSync(staged[kind], old);
      for (const name of ['bascule-package.json', 'runtime']) unlinkSync(join(old, name));
      rmSync(join(software, kind, 'current'));
      symlinkSync('0.1.0-0123456789ab', join(software, kind, 'current'));
    }
    if (isRoot) for (const name of ['base', 'site', 'runtimes']) chownSync(join(software, name), 0, 0);
    mkdirSync(join(software, '.staging', 'half', 'made'), { recursive: true });
    const next = stage(home, false);
    assert.equal(next.version, '0.1.0-0123456789ab');
    for (const kind of ['base', 'site'] as const) {
      assert.equal(manifestIn(next[kind]).kind, kind);
      assert.ok(existsSync(join(next[kind], 'runtime', 'bin', 'node')));
    }
    assert.ok(existsSync(join(next.boot, 'apps', 'boot', 'src', 'main.ts')));
    assert.ok(!existsSync(join(software, '.staging')), 'what a killed start left is gone');
    if (isRoot) assert.deepEqual(foreign(join(software, 'base'), statSync(join(home, 'site')).uid), []);
  });

  test('a boot that somebody else staged is not run by root', { skip: !isRoot && 'needs root' }, () => {
    const { boot } = stage(home, false);
    chownSync(join(staged.software, 'boot'), 65534, 65534);
    chownSync(boot, 65534, 65534);
    chownSync(staged.software, 65534, 65534);
    const next = stage(home, false);
    assert.deepEqual(foreign(join(staged.software, 'boot'), 0), []);
    assert.equal(statSync(staged.software).uid, 0);
    assert.ok(existsSync(join(next.boot, 'bin', 'node')));
  });

  test('a pointer that leads out of its folder is not followed', () => {
    const pointer = join(staged.software, 'base', 'current');
    const elsewhere = join(directory, 'elsewhere');
    mkdirSync(elsewhere);
    renameSync(realpathSync(pointer), join(elsewhere, 'base'));
    unlinkSync(pointer);
    symlinkSync('../../../elsewhere/base', pointer);
    const next = stage(home, false);
    assert.match(readlinkSync(pointer), /^[^/]+$/);
    assert.equal(next.base, join(staged.software, 'base', readlinkSync(pointer)));
    assert.equal(realpathSync(pointer), realpathSync(next.base));
  });
});
