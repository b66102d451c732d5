import { open } from 'node:fs/promises';

export const BLOCK_BYTES = 1024 * 1024;
/** Blocks that are kept: what hundreds of clients fetch at once is read from the disk once. */
export const BLOCKS_MAX = 96;

/** Files in blocks of a megabyte, read once for all who send them, the least used one forgotten first. Files never change: their names are their hashes. */
export class BlockCache {
  readonly #blocks = new Map<string, Promise<Buffer>>();
  readonly #loaded = new Map<string, Buffer>();

  /** The block at hand, marked as used; undefined when it has to be loaded. */
  at(file: string, index: number): Buffer | undefined {
    const key = `${index} ${file}`;
    const block = this.#loaded.get(key);
    if (block === undefined) return undefined;
    this.#loaded.delete(key);
    this.#loaded.set(key, block);
    return block;
  }

  /** Reads a block. Rejects with the errors of the disk. */
  async load(file: string, index: number): Promise<Buffer> {
    const key = `${index} ${file}`;
    const there = this.#loaded.get(key) ?? this.#blocks.get(key);
    if (there !== undefined) return await there;
    const reading = readBlock(file, index);
    this.#blocks.set(key, reading);
    try {
      const block = await reading;
      this.#loaded.set(key, block);
      if (this.#loaded.size > BLOCKS_MAX) this.#loaded.delete(this.#loaded.keys().next().value!);
      return block;
    } finally {
      this.#blocks.delete(key);
    }
  }
}

async function readBlock(file: string, index: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    let length = 0;
    while (length < BLOCK_BYTES) {
      const { bytesRead } = await handle.read(buffer, length, BLOCK_BYTES - length, index * BLOCK_BYTES + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}
