/** What the witness must not forget: a file for each site, on disk before an answer leaves (docs/decisions/0181). */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { witnessRecord, type WitnessSiteRecord } from '@bascule/pair/witness-core.ts';

/** Sites that one witness serves. */
export const SITES_MAX = 64;
const RECORD_NAME = /^[0-9a-f]{64}\.json$/;

export class WitnessRecords {
  readonly #folder: string;
  readonly #runFile: string;
  #run: string | undefined;

  constructor(state: string) {
    this.#folder = join(state, 'sites');
    this.#runFile = join(state, 'run');
  }

  /** All records. Throws `WITNESS_RECORD_DAMAGED`: without it nobody can say who holds the lease. */
  readAll(): WitnessSiteRecord[] {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    return readdirSync(this.#folder)
      .filter((name) => RECORD_NAME.test(name))
      .map((name) => this.#read(join(this.#folder, name)));
  }

  #read(file: string): WitnessSiteRecord {
    try {
      return witnessRecord.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch (error) {
      throw new AppError(
        'internal',
        'WITNESS_RECORD_DAMAGED',
        `${file} cannot be read: never put an older copy back. Remove it, make a code, and turn automatic failover off and on again at the primary.`,
        { cause: error },
      );
    }
  }

  /** On disk when it returns. Throws what the file system says, and `WITNESS_REPLACED`. */
  write(record: WitnessSiteRecord): void {
    const name = createHash('sha256').update(record.site).digest('hex');
    writeFileDurablySync(join(this.#folder, `${name}.json`), JSON.stringify(record));
  }

  /** From now on this process alone answers for this folder: one that was started before finds out before its next answer. */
  takeOver(): void {
    this.#run = randomUUID();
    writeFileDurablySync(this.#runFile, this.#run);
  }

  /** Throws `WITNESS_REPLACED` when another process has taken the folder over. */
  assertOurs(): void {
    if (readFileSync(this.#runFile, 'utf8') !== this.#run)
      throw new AppError('conflict', 'WITNESS_REPLACED', 'Another witness was started with the same folder: this one ends.');
  }
}
