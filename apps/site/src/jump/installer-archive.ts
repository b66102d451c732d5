import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export interface ArchiveEntry {
  /** Relative path inside the archive, at most 100 bytes. */
  name: string;
  mode: number;
  content: { file: string } | { bytes: Uint8Array };
}

const BLOCK = 512;
const NAME_LIMIT_BYTES = 100;
const GZIP_LEVEL = 6;

/** A ustar header (POSIX.1-1988): root's, without a time, so that the same content gives the same archive. */
function header(name: string, mode: number, size: number): Buffer {
  if (Buffer.byteLength(name) > NAME_LIMIT_BYTES) throw new Error(`the name ${name} is too long for the archive`);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/**
 * Writes a tar archive into `directory` as `<prefix>-<sha-256>.tar`, with a compressed copy `.tar.gz` beside it, and returns the hash of the
 * uncompressed one. A cut run leaves only files ending in `.new`.
 */
export async function writeArchive(directory: string, prefix: string, entries: readonly ArchiveEntry[]): Promise<string> {
  const temporary = join(directory, `${prefix}.tar.new`);
  const hash = createHash('sha256');
  const file = await open(temporary, 'w', 0o644);
  const put = async (bytes: Uint8Array) => {
    hash.update(bytes);
    await file.writeFile(bytes);
  };
  try {
    for (const entry of entries) {
      const size = 'file' in entry.content ? (await stat(entry.content.file)).size : entry.content.bytes.length;
      await put(header(entry.name, entry.mode, size));
      if ('bytes' in entry.content) await put(entry.content.bytes);
      else
        for await (const chunk of createReadStream(entry.content.file, { end: Math.max(0, size - 1) }))
          await put(chunk as Buffer);
      await put(Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
    }
    await put(Buffer.alloc(2 * BLOCK));
    await file.sync();
  } finally {
    await file.close();
  }
  const sha256 = hash.digest('hex');
  const path = join(directory, `${prefix}-${sha256}.tar`);
  if (!(await exists(`${path}.gz`))) {
    await pipeline(
      createReadStream(temporary),
      createGzip({ level: GZIP_LEVEL }),
      createWriteStream(`${path}.gz.new`, { mode: 0o644 }),
    );
    await rename(`${path}.gz.new`, `${path}.gz`);
  }
  await rename(temporary, path);
  return sha256;
}

export async function exists(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(() => undefined);
}

export async function removeIfThere(path: string): Promise<void> {
  await rm(path, { force: true });
}
