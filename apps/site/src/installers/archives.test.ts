import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { arMember, debPieces } from './deb-package.ts';
import { checkOf, combinedCrc32, compressSegment } from './gzip-segments.ts';
import { sizeOf, streamOf, tarGzPieces, tarPieces, type Piece, type StoredContent, type TarEntry } from './tar-pieces.ts';

const work = mkdtempSync(join(tmpdir(), 'bascule-archives-'));
after(() => rmSync(work, { recursive: true, force: true }));
const run = (command: string, args: string[], cwd = work) => execFileSync(command, args, { cwd, encoding: 'utf8' });
const hasDpkg = existsSync('/usr/bin/dpkg-deb');

async function write(name: string, pieces: Piece[]): Promise<string> {
  const file = join(work, name);
  await pipeline(streamOf(pieces), createWriteStream(file));
  assert.equal(statSync(file).size, sizeOf(pieces), 'the size that is told is the size that is sent');
  return file;
}

/** A large content of `bytes`, compressed apart. */
async function stored(name: string, bytes: number): Promise<StoredContent> {
  const file = join(work, name);
  writeFileSync(file, Buffer.alloc(bytes, name));
  writeFileSync(`${file}.deflated`, await compressSegment(readFileSync(file)));
  return {
    ...checkOf(readFileSync(file)),
    file,
    deflatedFile: `${file}.deflated`,
    deflatedBytes: statSync(`${file}.deflated`).size,
  };
}

const someEntries = async (): Promise<TarEntry[]> => [
  { path: 'top/bin/large', mode: 0o755, content: await stored('large', 700_001) },
  { path: 'top/key', mode: 0o600, content: Buffer.from('secret\n') },
  { path: 'top/empty', mode: 0o644, content: new Uint8Array() },
  { path: 'top/whole', mode: 0o644, content: await stored('whole', 512 * 3) },
  { path: 'top/link', mode: 0o777, content: { link: '/top/bin/large' } },
];

test('tar reads the archive, plain and as one gzip stream, with contents, modes and links', async () => {
  const entries = await someEntries();
  for (const [name, flags, pieces] of [
    ['plain.tar', '-xf', tarPieces(entries)],
    ['stream.tar.gz', '-xzf', await tarGzPieces(entries)],
  ] as const) {
    const into = mkdtempSync(join(work, 'into-'));
    run('tar', [flags, await write(name, [...pieces]), '-C', into]);
    if (name.endsWith('.gz')) run('gzip', ['--test', join(work, name)]);
    assert.deepEqual(readFileSync(join(into, 'top/bin/large')), Buffer.alloc(700_001, 'large'));
    assert.deepEqual(readFileSync(join(into, 'top/whole')), Buffer.alloc(512 * 3, 'whole'));
    assert.equal(statSync(join(into, 'top/bin/large')).mode & 0o777, 0o755);
    assert.equal(statSync(join(into, 'top/key')).mode & 0o777, 0o600);
    assert.equal(statSync(join(into, 'top/empty')).size, 0);
    assert.equal(run('readlink', [join(into, 'top/link')]).trim(), '/top/bin/large');
  }
});

test('the same entries give the same bytes, and a large content is taken as it lies compressed', async () => {
  const entries = await someEntries();
  const [one, other] = [
    await write('one.tar.gz', await tarGzPieces(entries)),
    await write('other.tar.gz', await tarGzPieces(entries)),
  ];
  assert.deepEqual(readFileSync(one), readFileSync(other));
  assert.ok(readFileSync(one).includes(readFileSync(join(work, 'large.deflated'))));
});

test('the checksum of parts in a row follows from that of each', () => {
  for (const [one, other] of [
    ['', ''],
    ['a', ''],
    ['', 'b'],
    ['some text', 'x'.repeat(100_003)],
  ] as const)
    assert.equal(combinedCrc32(crc32(one), checkOf(Buffer.from(other))), crc32(one + other));
});

test('a name that does not fit is a bug that is told, not an archive that lies', () => {
  assert.throws(() => tarPieces([{ path: 'x'.repeat(101), mode: 0o644, content: new Uint8Array() }]), /too long/);
  assert.throws(() => arMember('a-name-of-17-bytes', []), /does not fit/);
});

test('ar reads the members, those of odd length too', async () => {
  const members = [...arMember('odd', [Buffer.from('abc')]), ...arMember('even', [Buffer.from('de'), Buffer.from('fg')])];
  const file = await write('members.a', [Buffer.from('!<arch>\n'), ...members]);
  assert.deepEqual(run('ar', ['t', file]).trim().split('\n'), ['odd', 'even']);
  assert.equal(run('ar', ['p', file, 'odd']), 'abc');
  assert.equal(run('ar', ['p', file, 'even']), 'defg');
});

test('dpkg-deb reads the package: control, scripts, contents', { skip: !hasDpkg && 'dpkg-deb is not installed' }, async () => {
  const control = {
    name: 'bascule-test',
    version: '1.2.3',
    depends: 'libc6 (>= 2.28)',
    description: ['A test', 'in two lines.'],
  };
  const entries: TarEntry[] = [
    { path: 'opt/bascule-test/bin/large', mode: 0o755, content: await stored('large-2', 300_000) },
    { path: 'opt/bascule-test/key', mode: 0o600, content: Buffer.from('secret\n') },
    { path: 'usr/bin/bascule-test', mode: 0o777, content: { link: '/opt/bascule-test/bin/large' } },
  ];
  const postinst = '#!/bin/sh\nexit 0\n';
  const file = await write('test.deb', await debPieces(control, { postinst }, entries));
  assert.equal(
    run('dpkg-deb', ['--field', file, 'Package', 'Version', 'Architecture', 'Installed-Size']).trim(),
    'Package: bascule-test\nVersion: 1.2.3\nArchitecture: amd64\nInstalled-Size: 293',
  );
  assert.match(run('dpkg-deb', ['--info', file]), /Description: A test\n\s+in two lines\./);
  const listed = run('dpkg-deb', ['--contents', file])
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' ').split(' '));
  assert.deepEqual(
    listed.map(([mode, owner, , , , ...path]) => `${mode} ${owner} ${path.join(' ')}`),
    [
      'drwxr-xr-x root/root ./',
      'drwxr-xr-x root/root ./opt/bascule-test/',
      'drwxr-xr-x root/root ./opt/bascule-test/bin/',
      '-rwxr-xr-x root/root ./opt/bascule-test/bin/large',
      '-rw------- root/root ./opt/bascule-test/key',
      'drwxr-xr-x root/root ./usr/',
      'drwxr-xr-x root/root ./usr/bin/',
      'lrwxrwxrwx root/root ./usr/bin/bascule-test -> /opt/bascule-test/bin/large',
    ],
  );
  const into = mkdtempSync(join(work, 'deb-'));
  run('dpkg-deb', ['--raw-extract', file, into]);
  assert.deepEqual(readFileSync(join(into, 'opt/bascule-test/bin/large')), Buffer.alloc(300_000, 'large-2'));
  assert.equal(readFileSync(join(into, 'DEBIAN/postinst'), 'utf8'), postinst);
  assert.equal(statSync(join(into, 'DEBIAN/postinst')).mode & 0o777, 0o755);
});
