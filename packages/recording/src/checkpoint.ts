/**
 * A checkpoint of a recording that is being written: a small file beside it from which a writer goes on without reading the recording (docs/decisions/0098). It is a shortcut and
 * no proof: verifying a recording reads the recording alone.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { recordingHeader, type RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { byteCount, sha256Hex } from '@bascule/protocol/text.ts';
import { HASH_BYTES } from './format.ts';
import { readFramesFrom } from './reader.ts';

/** More is no checkpoint of ours: one place is kept for each mebibyte of output. */
const CHECKPOINT_MAX_BYTES = 16 * 1024 * 1024;

const body = z.object({
  format: z.literal('bascule-checkpoint/1'),
  session: recordingHeader.shape.session,
  /** The end of the last frame it speaks of, and that frame's hash. */
  fileBytes: byteCount,
  headSha256: sha256Hex,
  outBytes: byteCount,
  gapBytes: byteCount.default(0),
  gapEnd: byteCount.default(0),
  /** Offsets and positions of output frames, in turns. */
  index: z.array(byteCount).max(2_000_000),
  /** What the writer's owner knows of the output up to here. */
  extra: z.unknown(),
});
export type Checkpoint = z.infer<typeof body>;

/** The checkpoint's name, by the recording's. */
export function checkpointFile(recording: string): string {
  return `${recording}.checkpoint`;
}

/** Writes the checkpoint; after a cut the file is the old one, the new one, or one that does not fit. */
export async function writeCheckpoint(recording: string, checkpoint: Omit<Checkpoint, 'format'>): Promise<void> {
  const text = JSON.stringify({ format: 'bascule-checkpoint/1', ...checkpoint } satisfies Checkpoint);
  const file = checkpointFile(recording);
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(`${createHash('sha256').update(text).digest('hex')}\n${text}`);
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}

export async function removeCheckpoint(recording: string): Promise<void> {
  await rm(checkpointFile(recording), { force: true });
}

/** The checkpoint of the open recording with its header, when it is whole and fits: the file is at least as long, and the frame's hash stands where the checkpoint says. */
export async function readCheckpoint(
  recording: string,
  handle: FileHandle,
): Promise<{ checkpoint: Checkpoint; header: RecordingHeader } | undefined> {
  const checkpoint = await parseFile(checkpointFile(recording));
  if (checkpoint === undefined || (await handle.stat()).size < checkpoint.fileBytes) return undefined;
  const hash = Buffer.alloc(HASH_BYTES);
  await handle.read(hash, 0, HASH_BYTES, checkpoint.fileBytes - HASH_BYTES);
  if (hash.toString('hex') !== checkpoint.headSha256) return undefined;
  try {
    for await (const { frame } of readFramesFrom(handle)) {
      if (frame.kind !== 'header' || frame.header.session !== checkpoint.session) return undefined;
      return { checkpoint, header: frame.header };
    }
  } catch {
    // Reading it whole says what is wrong with it.
  }
  return undefined;
}

async function parseFile(file: string): Promise<Checkpoint | undefined> {
  let text: string;
  try {
    const handle = await open(file, 'r');
    try {
      if ((await handle.stat()).size > CHECKPOINT_MAX_BYTES) return undefined;
    } finally {
      await handle.close();
    }
    text = await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
  const end = text.indexOf('\n');
  const json = text.slice(end + 1);
  if (text.slice(0, end) !== createHash('sha256').update(json).digest('hex')) return undefined;
  return body.safeParse(JSON.parse(json)).data;
}
