/** Copies of site.db for a follower that cannot go on from the change log: made by `VACUUM INTO`, fetched by ranges, kept for a while so that a cut fetch goes on (docs/spec/pair.md, 5). */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '@bascule/log/log.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import { sha256Hex } from '@bascule/protocol/text.ts';
import type { Store } from '@bascule/store/store.ts';
import { checkSpace, SPACE_RESERVE_BYTES } from './free-space.ts';
import { sendFile } from './send-file.ts';

/** A copy that nobody has fetched from for so long is removed. */
const KEPT_MS = 15 * 60_000;
const PREFIX = 'for-peer-';
/** A copy that could not be made is not begun anew before: a peer that asks all the time must not keep the disk of the primary busy. */
const FAILED_PAUSE_MS = 30_000;

/** POST `/snapshot`: which copy is to be fetched from GET `/snapshot/<id>`. `keep`: an earlier one, to go on with it. */
export const snapshotRequest = z.strictObject({ keep: z.uuid().nullable() });
export const snapshotAnswer = z.object({ id: z.uuid(), bytes: z.number().int().positive(), sha256: sha256Hex });
export type SnapshotAnswer = z.infer<typeof snapshotAnswer>;

export class Snapshots {
  readonly #folder: string;
  readonly #log: Log;
  readonly #reserveBytes: number;
  #current: (SnapshotAnswer & { file: string }) | undefined;
  #making: Promise<SnapshotAnswer & { file: string }> | undefined;
  #failed: { atMs: number; error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `folder` is the site's for such copies; what an earlier start left of ours is removed. */
  constructor(folder: string, log: Log, reserveBytes = SPACE_RESERVE_BYTES) {
    this.#folder = folder;
    this.#log = log;
    this.#reserveBytes = reserveBytes;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) if (name.startsWith(PREFIX)) void this.#remove(join(folder, name));
  }

  /** A copy of `store` as it is now, or the one that `keep` names if it is still there. */
  async prepare(store: Store, keep: string | null): Promise<SnapshotAnswer> {
    this.#touch();
    const known = await (this.#making ?? this.#current);
    if (known !== undefined && known.id === keep) return answerOf(known);
    if (this.#making === undefined && this.#failed !== undefined && performance.now() - this.#failed.atMs < FAILED_PAUSE_MS)
      throw this.#failed.error;
    this.#making ??= this.#make(store).finally(() => (this.#making = undefined));
    return answerOf(await this.#making);
  }

  /** Answers GET `/snapshot/<id>`, also a part of it. */
  serve(id: string, request: IncomingMessage, response: ServerResponse): void {
    const known = this.#current;
    if (known === undefined || known.id !== id) return void response.writeHead(404).end();
    this.#touch();
    const touching = setInterval(() => this.#touch(), KEPT_MS / 4).unref();
    void sendFile(known.file, known.bytes, request, response, this.#log).finally(() => clearInterval(touching));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#forget();
  }

  async #make(store: Store): Promise<SnapshotAnswer & { file: string }> {
    await this.#forget();
    const id = randomUUID();
    const file = join(this.#folder, `${PREFIX}${id}.db`);
    try {
      await checkSpace(this.#folder, store.fileBytes, this.#reserveBytes);
      await store.snapshot(file);
    } catch (error) {
      await this.#remove(file);
      this.#failed = { atMs: performance.now(), error };
      throw error;
    }
    this.#failed = undefined;
    this.#current = { id, file, bytes: statSync(file).size, sha256: await sha256OfFile(file) };
    return this.#current;
  }

  #touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#forget(), KEPT_MS).unref();
  }

  async #forget(): Promise<void> {
    const file = this.#current?.file;
    this.#current = undefined;
    if (file !== undefined) await this.#remove(file);
  }

  /** A file of gigabytes takes the disk a while: whoever serves here does not wait for it. What cannot be removed is, at the next start: no name comes twice. */
  async #remove(file: string): Promise<void> {
    await rm(file, { force: true }).catch((error: unknown) => this.#log.warn({ err: error }, 'failover.copy-not-removed'));
  }
}

function answerOf({ id, bytes, sha256 }: SnapshotAnswer): SnapshotAnswer {
  return { id, bytes, sha256 };
}
