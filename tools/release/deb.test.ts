import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Seed } from '@bascule/package-format/seed.ts';
import { TestRepository, testManifest } from '@bascule/package-format/testing.ts';
import { runDebCommand } from './deb-command.ts';
import { controlText, md5sumsText } from './deb-control.ts';
import { buildSeed } from './deb-seed.ts';
import { signChecksum } from './deb-signature.ts';
import { ReleaseError } from './release-error.ts';

const ARCHIVE = 'a runtime';
const RUNTIME = createHash('sha256').update(ARCHIVE).digest('hex');

let folder: string;
let repository: TestRepository;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bascule-deb-test-'));
  repository = await TestRepository.create(folder, Date.now() - 400 * 24 * 60 * 60_000);
  await repository.addPackage('base', '0.1.0', 'old base', { runtime: RUNTIME });
  await repository.addPackage('base', '0.2.0', 'base', { runtime: RUNTIME });
  await repository.addPackage('site', '0.2.0', 'site', { runtime: RUNTIME, requires: { base: '>=0.2.0' } });
  await repository.add('runtime', `runtime/${RUNTIME}.tar.zst`, ARCHIVE);
  await repository.publish();
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('the seed', () => {
  it('has the newest packages, their runtime and all metadata; and no matter how old the repository is', async () => {
    const out = join(folder, 'seed');
    const built = await buildSeed(repository.directory, out, {});
    assert.deepEqual([built.base.version, built.site.version], ['0.2.0', '0.2.0']);
    const { about } = await Seed.open(out);
    assert.deepEqual(about.base, 'base/bascule-base-0.2.0.tar.zst');
    const targets = readdirSync(join(out, 'targets'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.zst'),
    );
    assert.equal(targets.length, 3);
    for (const name of ['root.json', '1.root.json', 'timestamp.json']) assert.ok(existsSync(join(out, 'metadata', name)), name);
    const root = createHash('sha256').update(readFileSync(join(out, 'metadata', 'root.json')));
    assert.equal(root.digest('hex'), built.rootSha256);
  });

  it('needs packages that fit, and that are there', async () => {
    const build = (versions: object) => buildSeed(repository.directory, join(folder, 'no'), versions);
    await assert.rejects(build({ base: '0.1.0' }), /site 0\.2\.0 needs base >=0\.2\.0, not 0\.1\.0/);
    await assert.rejects(build({ site: '9.0.0' }), /The repository has no site 9\.0\.0/);
    await assert.rejects(buildSeed(folder, join(folder, 'no'), {}), /is no repository/);
  });
});

describe('what the package says of itself', () => {
  it('is in the form of Debian', () => {
    const seed = { base: testManifest('base', '0.2.0'), site: testManifest('site', '0.3.0'), rootSha256: 'f'.repeat(64) };
    const text = controlText({ version: '1.2.3', architecture: 'amd64', installedKib: 7, revision: 'abc', seed });
    assert.match(text, /^Package: bascule-appliance\nVersion: 1\.2\.3\nArchitecture: amd64\n/);
    assert.match(text, /^Depends: .*libatomic1/m);
    assert.match(text, /^ Revision abc, base 0\.2\.0, site 0\.3\.0\.$/m);
    assert.ok(
      text
        .split('\n')
        .slice(text.split('\n').findIndex((line) => line.startsWith('Description')))
        .slice(1, -1)
        .every((line) => line.startsWith(' ')),
    );
  });

  it('has a sum for each file that is no option and no link', () => {
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'etc'), { recursive: true });
    mkdirSync(join(tree, 'usr'));
    writeFileSync(join(tree, 'etc', 'a.conf'), 'x'.repeat(2000));
    writeFileSync(join(tree, 'usr', 'a'), 'hello');
    symlinkSync('a', join(tree, 'usr', 'b'));
    assert.deepEqual(md5sumsText(tree), { text: '5d41402abc4b2a76b9719d911017c592  usr/a\n', installedKib: 2 });
  });
});

describe('the signature', () => {
  it('needs a key that nobody else reads, and makes none where one was named', async () => {
    const file = join(folder, 'x.deb');
    writeFileSync(file, 'package');
    const keys = join(folder, 'keys');
    mkdirSync(keys);
    await assert.rejects(
      signChecksum(file, { keys: [keys], makesKey: false, out: folder }),
      /There is no deb\.pem in .*openssl genpkey/,
    );
    await signChecksum(file, { keys: [keys], makesKey: true, out: folder });
    const again = await signChecksum(file, { keys: [keys], makesKey: false, out: folder });
    assert.equal(readFileSync(`${file}.sha256`, 'utf8'), `${again.sha256}  x.deb\n`);
    chmodSync(join(keys, 'deb.pem'), 0o644);
    await assert.rejects(signChecksum(file, { keys: [keys], makesKey: false, out: folder }), /can be read by others/);
  });
});

describe('the command', () => {
  for (const args of [
    [],
    ['1.2.3'],
    ['1.2', '--repository', 'x'],
    ['1.2.3', '--repository', 'x', '--compression-level', '99'],
    ['--colour'],
  ])
    it(`refuses ${args.join(' ') || 'nothing'}`, async () => {
      await assert.rejects(
        runDebCommand(args, () => undefined),
        ReleaseError,
      );
    });
});
