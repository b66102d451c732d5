import type { FileHandle } from 'node:fs/promises';

/** writev, again until everything is written. IOV_MAX is 1024. Rejects with the file system's error. */
export async function writeAll(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<void> {
  let at = position;
  for (let index = 0; index < parts.length; index += 1000) {
    let batch = parts.slice(index, index + 1000);
    while (batch.length > 0) {
      const { bytesWritten } = await handle.writev(batch, at);
      at += bytesWritten;
      batch = after(batch, bytesWritten);
    }
  }
}

function after(parts: Uint8Array[], written: number): Uint8Array[] {
  let left = written;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (left >= part.length) left -= part.length;
    else {
      rest.push(part.subarray(left));
      left = 0;
    }
  }
  return rest;
}
