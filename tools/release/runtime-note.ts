import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { runtimeRecord } from './runtime-archive.ts';

const notes = z.record(z.string(), z.string());

/**
 * Notes in tools/release/runtimes.json which archive releases make of this checkout's Node. `npm start` stages that Node under the archive's name, so that
 * an update with the same Node fetches none. To be done whenever the pinned Node changes.
 */
export async function noteRuntime(): Promise<string> {
  const checkout = resolve(import.meta.dirname, '..', '..');
  const file = join(checkout, 'tools', 'release', 'runtimes.json');
  const known = notes.parse(JSON.parse(await readFile(file, 'utf8')));
  const [integrity, sha256] = await runtimeRecord(checkout);
  await writeFile(file, `${JSON.stringify({ ...known, [integrity]: sha256 }, undefined, 2)}\n`);
  return `${file}: runtime/${sha256}.tar.zst`;
}
