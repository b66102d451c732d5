import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile, mkdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { Header } from 'tar';
import { AppError } from '@bascule/errors/app-error.ts';
import { packArchive, unpackArchive, type ArchiveFile } from './archive.ts';
import { encodeTarHeader, isSafePath, TAR_END, tarPadding } from './tar-format.ts';

const LIMITS = { unpackedBytes: 1_000_000, fileCount: 100 };
let folder = '';
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-archive-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const path = (name: string) => join(folder, `${++count}-${name}`);
const text = (name: string, content: string, executable = false): ArchiveFile => ({
  path: name,
  source: Buffer.from(content),
  executable,
});

/** Raw tar: entries as [header, data]. */
function raw(entries: [Buffer, Buffer][], end = TAR_END): Buffer {
  return Buffer.concat([...entries.flatMap(([header, data]) => [header, data, Buffer.alloc(tarPadding(data.length))]), end]);
}
function header(fields: Record<string, unknown>): Buffer {
  const made = new Header({ mode: 0o644, uid: 0, gid: 0, size: 0, mtime: new Date(0), type: 'File', ...fields } as never);
  made.encode();
  return made.block as Buffer;
}
async function archiveOf(bytes: Buffer): Promise<string> {
  const file = path('raw.tar.zst');
  await writeFile(file, zstdCompressSync(bytes));
  return file;
}
async function refused(bytes: Buffer, code: string, limits = LIMITS): Promise<string> {
  const into = path('refused');
  await rejects(unpackArchive(await archiveOf(bytes), into, limits), (error) => error instanceof AppError && error.code === code);
  return into;
}

test("what is unpacked is nobody else's to change, whatever the umask is", async () => {
  const archive = path('umask.tar.zst');
  await packArchive([text('deep/main.mjs', 'code')], archive);
  const into = path('umask');
  const before = process.umask(0);
  try {
    await unpackArchive(archive, into, LIMITS);
  } finally {
    process.umask(before);
  }
  for (const below of ['', 'deep', 'deep/main.mjs']) equal((await stat(join(into, below))).mode & 0o022, 0, below);
});

test('what is packed comes out again, with its modes; long paths too (package-format 2.2)', async () => {
  const long = `${'a'.repeat(120)}/${'b'.repeat(140)}.ts`;
  const archive = path('a.tar.zst');
  const onDisk = path('source');
  await writeFile(onDisk, Buffer.alloc(200_000, 7));
  const summary = await packArchive(
    [
      text('z/last', 'end'),
      text('bin/node', 'run', true),
      { path: 'big', source: onDisk, executable: false },
      text(long, 'long'),
      text('empty', ''),
    ],
    archive,
  );
  equal(summary.fileCount, 5);
  equal(summary.unpackedBytes, 200_000 + 3 + 3 + 4);
  equal(summary.bytes, (await stat(archive)).size);
  const into = path('into');
  const progress: number[] = [];
  await unpackArchive(
    archive,
    into,
    { unpackedBytes: summary.unpackedBytes, fileCount: 5 },
    { onProgress: (bytes) => progress.push(bytes) },
  );
  equal(await readFile(join(into, long), 'utf8'), 'long');
  equal((await readFile(join(into, 'big'))).length, 200_000);
  equal((await stat(join(into, 'bin/node'))).mode & 0o7777, 0o755);
  equal((await stat(join(into, 'z/last'))).mode & 0o7777, 0o644);
  equal(progress.at(-1), summary.unpackedBytes);
});

test('the same files give the same bytes, whatever their order and times: these very bytes', async () => {
  const onDisk = path('source');
  await writeFile(onDisk, 'content');
  const files = [text('b', '2'), { path: 'a', source: onDisk, executable: false }];
  const first = await packArchive(files, path('1.tar.zst'));
  await utimes(onDisk, 1, 1);
  const second = await packArchive(files.toReversed(), path('2.tar.zst'));
  equal(first.sha256, second.sha256);
  equal(first.sha256, GOLDEN_SHA256);
});

test('paths that lead elsewhere are refused, and nothing is written outside', async () => {
  for (const bad of [
    '/etc/passwd',
    '../outside',
    'a/../../outside',
    'a//b',
    './a',
    'a/.',
    'bell\u0007',
    'line\nbreak',
    'back\\slash',
  ]) {
    const into = await refused(raw([[header({ path: bad, size: 1 }), Buffer.from('x')]]), 'ARCHIVE_ENTRY_REFUSED');
    deepEqual(await readdir(into), [], bad);
  }
});

test('links, devices, pipes and folders are refused', async () => {
  for (const type of ['SymbolicLink', 'Link', 'CharacterDevice', 'BlockDevice', 'FIFO', 'Directory', 'GNUDumpDir']) {
    const into = await refused(
      raw([[header({ path: 'thing', type, linkpath: '/etc/passwd' }), Buffer.alloc(0)]]),
      'ARCHIVE_ENTRY_REFUSED',
    );
    deepEqual(await readdir(into), [], type);
  }
});

test('a name that comes twice, or out of order, or as file and folder, is refused', async () => {
  const entry = (name: string): [Buffer, Buffer] => [header({ path: name, size: 1 }), Buffer.from('x')];
  await refused(raw([entry('a'), entry('a')]), 'ARCHIVE_ENTRY_REFUSED');
  await refused(raw([entry('b'), entry('a')]), 'ARCHIVE_ENTRY_REFUSED');
  await refused(raw([entry('a'), entry('a/b')]), 'ARCHIVE_ENTRY_REFUSED');
});

test('headers that are not as Bascule writes them are refused: owners, times, odd modes, wrong checksums', async () => {
  for (const fields of [
    { uid: 1 },
    { mtime: new Date(1000) },
    { mode: 0o4755 },
    { mode: 0o777 },
    { uname: 'root' },
    { linkpath: 'x' },
  ])
    await refused(raw([[header({ path: 'a', size: 1, ...fields }), Buffer.from('x')]]), 'ARCHIVE_MALFORMED');
  const block = header({ path: 'a', size: 1 });
  block[0] = 0x62;
  await refused(raw([[block, Buffer.from('x')]]), 'ARCHIVE_MALFORMED');
});

test('bombs: more bytes or files than the limits stop the unpacking before they are written', async () => {
  const big = Buffer.alloc(900_000);
  const into = await refused(
    raw([
      [header({ path: 'a', size: big.length }), big],
      [header({ path: 'b', size: big.length }), big],
    ]),
    'ARCHIVE_TOO_LARGE',
  );
  deepEqual(await readdir(into), ['a']);
  const many = Array.from({ length: 200 }, (_, index): [Buffer, Buffer] => [
    header({ path: `f${1000 + index}` }),
    Buffer.alloc(0),
  ]);
  equal((await readdir(await refused(raw(many), 'ARCHIVE_TOO_LARGE'))).length, 100);
});

test('what is truncated, garbage or followed by something is refused', async () => {
  const archive = path('good.tar.zst');
  await packArchive([text('a', 'x'.repeat(5000)), text('b', 'y')], archive);
  const good = await readFile(archive);
  const change = async (bytes: Buffer, code: string) => {
    const file = path('changed.tar.zst');
    await writeFile(file, bytes);
    await rejects(
      unpackArchive(file, path('changed'), LIMITS),
      (error) => error instanceof AppError && error.code === code,
      code,
    );
  };
  await change(good.subarray(0, -1), 'ARCHIVE_TRUNCATED');
  await change(good.subarray(0, 30), 'ARCHIVE_TRUNCATED');
  await change(Buffer.alloc(0), 'ARCHIVE_TRUNCATED');
  await change(Buffer.from('this is no archive at all'), 'ARCHIVE_UNREADABLE');
  await change(Buffer.concat([good, Buffer.from('garbage')]), 'ARCHIVE_MALFORMED');
  await change(Buffer.concat([good, Buffer.alloc(300_000)]), 'ARCHIVE_MALFORMED');
  await change(Buffer.concat([good, good]), 'ARCHIVE_MALFORMED');
  await refused(raw([[header({ path: 'a', size: 9000 }), Buffer.from('x')]]), 'ARCHIVE_TRUNCATED');
  await refused(raw([[header({ path: 'a', size: 1 }), Buffer.from('x')]], Buffer.alloc(0)), 'ARCHIVE_TRUNCATED');
  await refused(raw([], Buffer.concat([TAR_END, Buffer.from('x')])), 'ARCHIVE_MALFORMED');
  const hidden = raw([[header({ path: 'a', size: 1 }), Buffer.from('x')]]);
  hidden[700] = 1;
  await refused(hidden, 'ARCHIVE_MALFORMED');
});

test('only an empty folder is unpacked into; a link in its place is not followed', async () => {
  const archive = path('a.tar.zst');
  await packArchive([text('a/b', 'x')], archive);
  const into = path('full');
  const outside = path('outside');
  await mkdir(into);
  await mkdir(outside);
  await symlink(outside, join(into, 'a'));
  await rejects(unpackArchive(archive, into, LIMITS), { code: 'ARCHIVE_NOT_EMPTY' });
  deepEqual(await readdir(outside), []);
});

test('unpacking stops when it is told to', async () => {
  const archive = path('a.tar.zst');
  await packArchive(
    Array.from({ length: 50 }, (_, index) => text(`f${100 + index}`, 'x'.repeat(1000))),
    archive,
  );
  const stop = new AbortController();
  const into = path('stopped');
  await rejects(
    unpackArchive(archive, into, LIMITS, { signal: stop.signal, onProgress: (bytes) => void (bytes >= 3000 && stop.abort()) }),
    { name: 'AbortError' },
  );
  ok((await readdir(into)).length < 50);
});

test('a path twice or a bad path cannot be packed, and leaves no file', async () => {
  const target = path('none.tar.zst');
  await rejects(packArchive([text('a', '1'), text('a', '2')], target), { code: 'ARCHIVE_PATH' });
  await rejects(packArchive([text('../a', '1')], target), { code: 'ARCHIVE_PATH' });
  await rejects(stat(target));
  await rejects(stat(`${target}.tmp`));
});

test('a number in binary that is none is refused as malformed', async () => {
  const changed = raw([[encodeTarHeader({ path: 'file', bytes: 0, executable: false }), Buffer.alloc(0)]]);
  // The first byte of the time: a number in base 256 whose sign is neither of the two.
  changed[136] = 0xa0;
  await refused(changed, 'ARCHIVE_MALFORMED');
});

test('property: any changed byte of the tar is refused or changes file contents alone', async () => {
  const file = encodeTarHeader({ path: 'dir/file', bytes: 600, executable: false });
  const good = raw([[file, Buffer.alloc(600, 1)]]);
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ mask;
      const into = path('fuzz');
      const outcome = await unpackArchive(await archiveOf(changed), into, LIMITS).then(
        () => 'unpacked',
        (error: unknown) => (error instanceof AppError && error.code.startsWith('ARCHIVE_') ? 'refused' : error),
      );
      const isContent = at >= 512 && at < 512 + 600;
      equal(outcome, isContent ? 'unpacked' : 'refused');
    }),
    { numRuns: 150, endOnFailure: true },
  );
});

test('property: arbitrary bytes never come out as anything but an ARCHIVE error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), async (bytes, compressed) => {
      const file = path('random.tar.zst');
      await writeFile(file, compressed ? zstdCompressSync(bytes) : bytes);
      await rejects(
        unpackArchive(file, path('random'), LIMITS),
        (error) => error instanceof AppError && error.code.startsWith('ARCHIVE_'),
      );
    }),
    { numRuns: 100, endOnFailure: true },
  );
});

test('property: whatever safe paths and contents there are, they survive the way', async () => {
  const part = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((name) => isSafePath(name) && !name.includes('/'));
  const tree = fc.dictionary(
    fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ['d', ...parts, 'f.ts'].join('/')),
    fc.uint8Array({ maxLength: 2000 }),
    { maxKeys: 6 },
  );
  await fc.assert(
    fc.asyncProperty(tree, async (files) => {
      const archive = path('tree.tar.zst');
      const into = path('tree');
      await packArchive(
        Object.entries(files).map(([name, source]) => ({ path: name, source, executable: false })),
        archive,
      );
      await unpackArchive(archive, into, LIMITS);
      for (const [name, source] of Object.entries(files))
        deepEqual(new Uint8Array(await readFile(join(into, name))), new Uint8Array(source));
    }),
    { numRuns: 40, endOnFailure: true },
  );
});

/** Changes only when the format does: then `docs/spec/package-format.md` and the number in `format` change too. */
const GOLDEN_SHA256 = '379beb8a2a9219d0807943208d0e1849a3dabb59b13860ca4f20d95b418b12e9';
