/** The runtime as installers carry it: made once per Node, for it is most of every file. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { crc32, createDeflateRaw } from 'node:zlib';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { sha256Hex } from '@bascule/protocol/text.ts';
import { SEGMENT_OPTIONS } from './gzip-segments.ts';
import type { StoredContent } from './tar-pieces.ts';

const run = promisify(execFile);
const TOOL_LIMIT_MS = 120_000;
/** Libraries that a minimal system lacks; the C library itself is the system's own. */
const BUNDLED_LIBRARIES = ['libatomic.so.1', 'libstdc++.so.6', 'libgcc_s.so.1'];

const notedFile = z.object({
  name: z.string(),
  file: z.string(),
  sha256: sha256Hex,
  bytes: z.number(),
  crc32: z.number(),
  deflatedBytes: z.number(),
});
/** Beside the files, written last. */
const runtimeNote = z.object({
  format: z.literal('bascule-stored-runtime/1'),
  /** Of which binary it was made: path, size and time. */
  source: z.string(),
  files: z.array(notedFile).min(1),
});

/** `bin/node` without its symbols, and the libraries it needs beyond the C library. */
export interface StoredRuntime {
  /** Its folder in `runtimes/` of an endpoint: 16 hex. */
  folder: string;
  /** Of the signed archive; null when it is not known. */
  archiveSha256: string | null;
  node: StoredContent;
  libraries: { name: string; content: StoredContent }[];
}

/** Makes the files of a runtime in `directory` unless they are there; what was made of another Node is removed. */
export async function storeRuntime(
  directory: string,
  runtime: { directory: string; sha256: string | null },
): Promise<StoredRuntime> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const binary = join(runtime.directory, 'bin', 'node');
  const { size, mtimeMs } = await stat(binary);
  const source = `${binary} ${size} ${mtimeMs}`;
  const noteFile = join(directory, 'runtime.json');
  const known = runtimeNote.safeParse(JSON.parse(await readFile(noteFile, 'utf8').catch(() => 'null'))).data;
  const note =
    known?.source === source && (await isWhole(directory, known.files)) ? known : await make(directory, binary, source);
  const [node, ...libraries] = note.files;
  const contentOf = ({ file, bytes, crc32: crc, deflatedBytes }: z.infer<typeof notedFile>): StoredContent => ({
    file: join(directory, file),
    bytes,
    crc32: crc,
    deflatedFile: join(directory, `${file}.deflated`),
    deflatedBytes,
  });
  return {
    folder: (runtime.sha256 ?? node!.sha256).slice(0, 16),
    archiveSha256: runtime.sha256,
    node: contentOf(node!),
    libraries: libraries.map((library) => ({ name: library.name, content: contentOf(library) })),
  };
}

async function make(directory: string, binary: string, source: string): Promise<z.infer<typeof runtimeNote>> {
  const work = await mkdtemp(join(directory, '.work-'));
  try {
    const node = join(work, 'node');
    await run('strip', ['-o', node, binary], { timeout: TOOL_LIMIT_MS }).catch(() => copyFile(binary, node));
    const files = [];
    for (const [name, file] of [['node', node], ...(await findLibraries(binary)).map((path) => [basename(path), path])] as [
      string,
      string,
    ][])
      files.push(await store(directory, work, name, file));
    const note = { format: 'bascule-stored-runtime/1' as const, source, files };
    writeFileDurablySync(join(directory, 'runtime.json'), `${JSON.stringify(note, undefined, 2)}\n`);
    const needed = new Set(['runtime.json', basename(work), ...files.flatMap(({ file }) => [file, `${file}.deflated`])]);
    for (const name of await readdir(directory))
      if (!needed.has(name)) await rm(join(directory, name), { recursive: true, force: true });
    return note;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function store(directory: string, work: string, name: string, from: string): Promise<z.infer<typeof notedFile>> {
  const hash = createHash('sha256');
  let crc = 0;
  for await (const chunk of createReadStream(from)) {
    hash.update(chunk as Buffer);
    crc = crc32(chunk as Buffer, crc);
  }
  const sha256 = hash.digest('hex');
  const file = `${name}-${sha256.slice(0, 16)}`;
  const copy = join(work, file);
  await copyFile(from, copy);
  await pipeline(
    createReadStream(copy),
    createDeflateRaw(SEGMENT_OPTIONS),
    createWriteStream(`${copy}.deflated`, { flush: true }),
  );
  const [{ size: bytes }, { size: deflatedBytes }] = await Promise.all([stat(copy), stat(`${copy}.deflated`)]);
  await rename(`${copy}.deflated`, join(directory, `${file}.deflated`));
  await rename(copy, join(directory, file));
  return { name, file, sha256, bytes, crc32: crc, deflatedBytes };
}

async function isWhole(directory: string, files: readonly z.infer<typeof notedFile>[]): Promise<boolean> {
  const sizeOf = async (name: string) => (await stat(join(directory, name)).catch(() => undefined))?.size;
  for (const { file, bytes, deflatedBytes } of files)
    if ((await sizeOf(file)) !== bytes || (await sizeOf(`${file}.deflated`)) !== deflatedBytes) return false;
  return true;
}

/** Where this machine has the libraries that come along. */
async function findLibraries(binary: string): Promise<string[]> {
  const { stdout } = await run('ldd', [binary], { timeout: TOOL_LIMIT_MS });
  const found = new Map(Array.from(stdout.matchAll(/^\s*(\S+) => (\/\S+)/gm), (match) => [match[1]!, match[2]!]));
  return BUNDLED_LIBRARIES.flatMap((name) => found.get(name) ?? []);
}
