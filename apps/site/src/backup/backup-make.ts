/** Makes one backup: a copy of site.db, then everything as one stream to its place. Runs in a process of its own (backup-main.ts). */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  BACKUP_FORMAT,
  BACKUP_PRODUCT,
  BOX_SETTINGS_PATH,
  unpackedBytes,
  type BackupManifest,
} from '@bascule/backup-format/backup-manifest.ts';
import { backupBytes, type BackupMember } from '@bascule/backup-format/backup-writer.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import { copyForBackup, positionOfCopy, type CopyPosition } from '@bascule/store/backup-copy.ts';
import { filesBelow, identityFiles } from './backup-contents.ts';
import { SITE_HISTORY } from './backup-history.ts';
import type { BackupStep, BackupWord, MakeOrder } from './backup-order.ts';
import type { BackupPlace } from './place-parts.ts';

const LISTING_PIECE_BYTES = 64 * 1024;

/** What the program is told and tells on the way. */
export interface BackupWork {
  progress(phase: Extract<BackupWord, { kind: 'progress' }>['phase'], done: number, total: number | null): void;
  /** A point at which tests end the program. */
  step(step: BackupStep): void;
  signal: AbortSignal;
}

/** Throws the `AppError`s of the format and of the place; nothing lies under the final name then. */
export async function makeBackup(
  order: MakeOrder,
  place: BackupPlace,
  work: BackupWork,
): Promise<Extract<BackupWord, { kind: 'written' }>> {
  const { include, workDir, password } = order;
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  const copy = join(workDir, 'site.db');
  for (const name of order.staleNames) await place.remove(name);
  work.step('begun');
  const { size } = await stat(order.database);
  work.progress('copying-state', 0, size);
  await copyForBackup(order.database, copy, include.history ? undefined : SITE_HISTORY);
  work.signal.throwIfAborted();
  work.step('state-copied');
  const position = positionOfCopy(copy);
  const listing = join(workDir, 'members');
  const manifest = await manifestOf(order, position, await listMembers(membersOf(order, copy), listing));
  const total = unpackedBytes(manifest);
  const written = { sha256: '', bytes: 0 };
  let toldBytes = 0;
  const bytes = measured(
    backupBytes({
      manifest,
      members: listedMembers(listing, order),
      ...(password !== undefined && { password }),
      onProgress(done) {
        work.signal.throwIfAborted();
        if (toldBytes < total / 2 && done >= total / 2) work.step('half-written');
        toldBytes = done;
        work.progress('writing', done, total);
      },
      // Retention may remove a recording meanwhile.
      onGone: () => undefined,
    }),
    written,
  );
  work.step('writing');
  await place.write(order.fileName, bytes, async () => {
    work.signal.throwIfAborted();
    work.step('written');
    await rm(copy, { force: true });
  });
  work.step('named');
  return {
    kind: 'written',
    bytes: written.bytes,
    sha256: written.sha256,
    seq: position.seq,
    auditSequence: position.auditSequence,
    parts: manifest.parts,
  };
}

async function manifestOf(order: MakeOrder, position: CopyPosition, parts: BackupManifest['parts']): Promise<BackupManifest> {
  return {
    product: BACKUP_PRODUCT,
    format: BACKUP_FORMAT,
    id: order.id,
    madeAtMs: order.madeAtMs,
    ...order.manifest,
    schema: position.schema,
    migrations: position.migrations,
    epoch: position.epoch,
    seq: position.seq,
    isEncrypted: order.password !== undefined,
    includes: order.include,
    parts,
    leftOut: order.leftOut,
  };
}

/**
 * Writes down what is to go into the backup, with sizes, a line each: recordings grow and come meanwhile, and the list of contents at the start of the file must be true at its end. Gives the parts.
 */
async function listMembers(members: AsyncIterable<BackupMember>, listing: string): Promise<BackupManifest['parts']> {
  const parts = new Map<BackupPart, { part: BackupPart; members: number; bytes: number }>();
  const file = await open(listing, 'w', 0o600);
  try {
    let lines = '';
    for await (const { part, path, source, bytes, modifiedS } of members) {
      const counted = parts.get(part) ?? { part, members: 0, bytes: 0 };
      parts.set(part, { part, members: counted.members + 1, bytes: counted.bytes + bytes });
      lines += `${JSON.stringify([part, path, typeof source === 'string' ? source : null, bytes, modifiedS])}\n`;
      if (lines.length < LISTING_PIECE_BYTES) continue;
      await file.writeFile(lines);
      lines = '';
    }
    await file.writeFile(lines);
  } finally {
    await file.close();
  }
  return [...parts.values()];
}

async function* listedMembers(listing: string, { boxSettings = '' }: MakeOrder): AsyncGenerator<BackupMember> {
  for await (const line of createInterface({ input: createReadStream(listing), crlfDelay: Infinity })) {
    const [part, path, source, bytes, modifiedS] = JSON.parse(line) as [BackupPart, string, string | null, number, number];
    yield { part, path, source: source ?? Buffer.from(boxSettings), bytes, modifiedS };
  }
}

/** As things are now. A recording that is being written is taken up to where it is. */
async function* membersOf(order: MakeOrder, copy: string): AsyncGenerator<BackupMember> {
  const { include, password, boxSettings } = order;
  const { size } = await stat(copy);
  const modifiedS = Math.floor(order.madeAtMs / 1000);
  yield { part: 'state', path: 'site.db', source: copy, bytes: size, modifiedS };
  if (password !== undefined) yield* identityFiles(order.keysDir);
  if (boxSettings !== undefined) {
    const source = Buffer.from(boxSettings);
    yield { part: 'box-settings', path: BOX_SETTINGS_PATH, source, bytes: source.length, modifiedS };
  }
  if (include.files) yield* filesBelow('files', order.fileStoreDir);
  if (include.recordings) yield* filesBelow('recordings', order.recordingsDir);
}

async function* measured(source: AsyncIterable<Buffer>, into: { sha256: string; bytes: number }): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const piece of source) {
    hash.update(piece);
    into.bytes += piece.length;
    yield piece;
  }
  into.sha256 = hash.digest('hex');
}
