/** What every place for backups can do. */
import { randomUUID } from 'node:crypto';
import { placeFailed } from './backup-errors.ts';

/** What is being written has this behind its name. */
export const PART_SUFFIX = '.part';

export interface BackupPlace {
  /** Writes `name` through a `.part` beside it; on disk under its name when it resolves. On failure the part is removed. `written` is called before it gets its name. */
  write(name: string, bytes: AsyncIterable<Buffer>, written?: () => Promise<void>): Promise<void>;
  read(name: string): AsyncIterable<Buffer>;
  /** Removes `name` and a part of it, if they are there. */
  remove(name: string): Promise<void>;
  /** Writes, reads and removes a small file. Throws `BACKUP_PLACE_FAILED`. */
  probe(): Promise<void>;
  /** Undefined when the place does not tell. */
  freeBytes(): Promise<number | undefined>;
  close(): void;
}

/** Writes, reads and removes a small file by the place itself. Throws `BACKUP_PLACE_FAILED`. */
export async function probeBy(place: BackupPlace): Promise<void> {
  const name = `bascule-test-${randomUUID()}`;
  const sent = Buffer.from(name);
  await place.write(
    name,
    (async function* () {
      yield sent;
    })(),
  );
  const pieces: Buffer[] = [];
  for await (const piece of place.read(name)) pieces.push(piece);
  await place.remove(name);
  if (!Buffer.concat(pieces).equals(sent)) throw placeFailed('The destination', 'it gives back other bytes than were written');
}
