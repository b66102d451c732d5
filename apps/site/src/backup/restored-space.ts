import { statfs } from 'node:fs/promises';

/** Bytes that the service may still write where `folder` is. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
